"""Destroys a version, and the object of one that an HSM holds."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from kms_schema.crypto import DependentsError, destroy
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.database.driver_errors import translated
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import DatabaseUnavailableError, KeyInUseError
from kms_schema.keyring.use.hsm_keys import HeldKeys
from kms_schema.keyring.worker.ciphertext_counts import refuse_data_loss
from kms_schema.models import KeyVersion

_NEEDS = "kms_rotator"


def destroy_version(  # noqa: PLR0913  (each is an option of the command)
    storage: Storage,
    held: HeldKeys,
    key_id: str,
    version: int,
    *,
    check: Sequence[str],
    erase_data: bool,
    leave_object: bool,
    actor: str | None,
) -> None:
    """Do what `KeyRing.destroy_version` does, but for the cache. Raises as that does."""
    if storage.joined is not None:
        raise DatabaseUnavailableError("this thread has a transaction open on the database: end it first")
    names = [ColumnName.parse(each) for each in check]
    with translated(key_id, _NEEDS):
        columns = [each.resolved_by(storage.writers) for each in names]
        options: dict[str, Any] = {} if erase_data else {"check": partial(refuse_data_loss, also=columns)}
        try:
            destroy(
                storage.writers, key_id, version, actor=actor,
                in_hsm=leave if leave_object else held.destroy, **options,
            )  # fmt: skip
        except DependentsError as error:
            raise KeyInUseError(str(error), key_id=key_id, version=version, reason="version") from None


def leave(_session: Session, _version: KeyVersion, _handle: str) -> None:
    """Leave an object in its HSM, or where it was."""
