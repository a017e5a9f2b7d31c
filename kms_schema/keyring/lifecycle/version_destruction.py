"""Destroys a version, and the object of one that an HSM holds."""

from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import DependentsError, destroy
from kms_schema.crypto.destroying import Check, Destroyable, unchecked
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
        refuse = data_loss_check(columns, erase_data=erase_data)
        try:
            destroy_with_object(
                storage.writers, held, key_id, version, check=refuse, leave_object=leave_object, actor=actor
            )
        except DependentsError as error:
            raise KeyInUseError(str(error), key_id=key_id, version=version, reason="version") from None


def data_loss_check(columns: Sequence[ColumnName], *, erase_data: bool) -> Check:
    """Return what refuses to destroy a version whose ciphertexts a column holds; nothing does with `erase_data`.

    columns: of applications, besides those that are stored with the key.
    """
    return unchecked if erase_data else partial(refuse_data_loss, also=columns)


def destroy_with_object(  # noqa: PLR0913  (each is an option of the command)
    engine: sa.Engine,
    held: HeldKeys,
    key_id: str,
    version: int,
    *,
    check: Check,
    leave_object: bool,
    actor: str | None,
) -> Destroyable:
    """Destroy a version, and the object of one that an HSM holds, unless `leave_object`.

    `held` destroys the object. `engine`, `key_id`, `version`, `check` and `actor` are those of
    `kms_schema.crypto.destroy`. Raises as that does, and `MaterialUnavailableError` (`hsm`) if the object cannot be
    destroyed. Example::

        with closing(HeldKeys({"luna-1": uri}, (), Threads())) as held:
            destroy_with_object(engine, held, "cards", 1, check=unchecked, leave_object=False, actor="alice")
    """
    return destroy(engine, key_id, version, actor=actor, check=check, in_hsm=_leave if leave_object else held.destroy)


def _leave(_session: Session, _version: KeyVersion, _handle: str) -> None:
    """Leave an object in its HSM, or where it was."""
