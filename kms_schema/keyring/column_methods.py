"""The methods of a ring about columns of applications that encrypt themselves."""

from abc import ABC, abstractmethod

import sqlalchemy as sa

from kms_schema.crypto.secret import BytesLike
from kms_schema.keyring import statement_checks
from kms_schema.keyring.encrypted_column import RINGS, Place


class ColumnMethods(ABC):
    """`attach`, and what the columns call."""

    def attach(self, metadata: sa.MetaData) -> None:
        """Have the `EncryptedColumn`s of `metadata` encrypt and decrypt with this ring.

        Also those of tables that are added later. A metadata has one ring: the last that was attached. From the first
        call on, listeners on all engines of the process refuse statements that order by such a column, and take the
        parameters out of errors that would show values before they are encrypted. Raises `RingClosedError`. Example::

            ring.attach(Base.metadata)
        """
        self._check_open()
        statement_checks.install()
        RINGS[metadata] = self

    @abstractmethod
    def _check_open(self) -> None: ...

    @abstractmethod
    def _encrypt(self, key_id: str, data: BytesLike, aad: BytesLike) -> bytes: ...

    @abstractmethod
    def _decrypt(self, key_id: str, blob: BytesLike, aad: BytesLike) -> tuple[bytes, bool]: ...

    def _encrypt_column(self, place: Place, data: BytesLike, aad: bytes) -> bytes:
        return self._encrypt(place.key_id, data, aad)

    def _decrypt_column(self, place: Place, blob: BytesLike, aad: bytes) -> bytes:
        return self._decrypt(place.key_id, blob, aad)[0]
