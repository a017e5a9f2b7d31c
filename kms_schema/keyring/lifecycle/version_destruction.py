"""The method of a ring that destroys a version, and the object of one that an HSM holds."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from kms_schema.crypto import DependentsError, destroy
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.database.driver_errors import translated
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import DatabaseUnavailableError, VersionInUseError
from kms_schema.keyring.use.hsm_keys import HeldKeys
from kms_schema.keyring.use.versions import Versions
from kms_schema.keyring.worker.ciphertext_counts import refuse_data_loss
from kms_schema.models import KeyVersion

_NEEDS = "kms_rotator"


class VersionDestruction(ABC):
    """A base of `KeyRing`."""

    _held: HeldKeys
    _storage: Storage
    _versions: Versions

    @abstractmethod
    def _check_open(self) -> None: ...

    def destroy_version(  # noqa: PLR0913  (each is an option of the command)
        self,
        key_id: str,
        version: int,
        *,
        check: Sequence[str] = (),
        erase_data: bool = False,
        leave_object: bool = False,
        actor: str | None = None,
    ) -> None:
        """Destroy a version that has ended, and the object of one that an HSM holds: its ciphertexts are lost.

        - `key_id`, `version`: the key and the number of its version
        - `check`: columns that may hold ciphertexts of it, as TABLE.COLUMN, besides those that are stored with the key
        - `erase_data`: True also while data is encrypted with it
        - `leave_object`: True to destroy no object in the HSM, such as one that is gone with its token
        - `actor`: the user in the entry of the audit log

        The object is destroyed when the database has accepted the change, just before COMMIT. Needs kms_rotator. Raises
        `VersionInUseError` for a version that is live, unknown, destroyed already or wraps others, `KeyInUseError`,
        `HostColumnError`, `HsmUnavailableError` if the object cannot be destroyed, `KeyNotPermittedError`, and
        `ValueError` for a wrong name of a column. Example::

            ring.destroy_version("orders", 1, check=["invoices.iban"], actor="alice")
        """
        self._check_open()
        if self._storage.joined is not None:
            raise DatabaseUnavailableError("this thread has a transaction open on the database: end it first")
        names = [ColumnName.parse(each) for each in check]
        with translated(key_id, _NEEDS):
            columns = [each.resolved_by(self._storage.writers) for each in names]
            options: dict[str, Any] = {} if erase_data else {"check": partial(refuse_data_loss, also=columns)}
            try:
                destroy(
                    self._storage.writers, key_id, version, actor=actor,
                    in_hsm=leave if leave_object else self._held.destroy, **options,
                )  # fmt: skip
            except DependentsError as error:
                raise VersionInUseError(str(error), key_id=key_id, version=version) from None
        self._versions.cache.forget(key_id)


def leave(_session: Session, _version: KeyVersion, _handle: str) -> None:
    """Leave an object in its HSM, or where it was."""
