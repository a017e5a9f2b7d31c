"""The methods of a ring about columns of applications that encrypt themselves."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from kms_schema.crypto.secret import BytesLike
from kms_schema.keyring.columns import row_binding, statement_checks
from kms_schema.keyring.columns.declarations import Declarations
from kms_schema.keyring.columns.encrypted_column import place_of
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.columns.places import RINGS, Place
from kms_schema.keyring.columns.reencrypting import Job, Reencryption, find_column, tags_of
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.use.revoked_keys import RevokedKey


@dataclass(frozen=True)
class _Ciphers:
    """Opens with one key, and encrypts with another or the same one."""

    ring: "ColumnMethods"
    opening: str
    making: str
    revoked: RevokedKey | None

    def decrypt(self, blob: bytes, *, aad: bytes) -> bytes:
        if self.revoked is not None:
            return self.revoked.decrypt(blob, aad=aad)
        return self.ring._decrypt(self.opening, blob, aad)[0]

    def encrypt(self, data: bytes, *, aad: bytes) -> bytes:
        return self.ring._encrypt(self.making, data, aad)


class ColumnMethods(ABC):
    """`attach` and `reencrypt_column`, and the methods that columns call."""

    _storage: Storage
    _declarations: Declarations

    def attach(self, metadata: sa.MetaData) -> None:
        """Have the `EncryptedColumn`s of `metadata` encrypt and decrypt with this ring.

        Also those of tables that are added later. A metadata has one ring: the last that was attached. From the first
        call on, listeners on all engines of the process refuse statements that order by such a column. They also remove
        the parameters of errors that would show values before they are encrypted. Raises `RingClosedError`. Example::

            ring.attach(Base.metadata)
        """
        self._check_open()
        row_binding.install()
        statement_checks.install()
        RINGS[metadata] = self

    def reencrypt_column(  # noqa: PLR0913  (each is a choice of the caller)
        self,
        column: Any,
        key_id: str | None = None,
        *,
        to: str | None = None,
        below: int | None = None,
        dry_run: bool = False,
        row: Sequence[str] | Mapping[str, Any] = (),
        bound_as: tuple[str, str] | None = None,
        batch: int = 500,
        from_revoked: str | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Reencryption:
        """Replace the ciphertexts of old versions in a column by ciphertexts of the live version.

        - `column`: an attribute or column whose type is an `EncryptedColumn`, or `"table.column"`
          (`"schema.table.column"`). The table needs a primary key
        - `key_id`: the key, by default that of the type. `to`: another key to encrypt with
        - `below`: of versions numbered less than this. `dry_run`: count only
        - `row`, `bound_as`: as for the type, from which they are taken; `row` may map names to types of SQLAlchemy,
          where the database does not have the type of the application: `{"id": sa.Uuid()}` on SQLite
        - `from_revoked`: the reason for opening a key that is revoked, as for `revoked_key`, with `actor`; needs `to`
        - `batch`: rows in a transaction. `progress`: called with the number of rows that are done

        Rows are read in pages by primary key and replaced in a transaction a page. A row is replaced only if it still
        has the bytes that were read and is not locked; others are tried again. The column is stored with the key that
        encrypts. Needs kms_app, SELECT on the column and the primary key and UPDATE on the column. Start it again after
        an interruption. `left`, `unopened` and `streams` of the result say what remains: streams are never replaced.
        Raises `HostColumnError` for a column that is not there or not to be changed, `UnknownKeyError`, `ValueError`
        for a name that is not valid, and otherwise as `Key.encrypt` does. Example::

            ring.rotate("orders")
            assert not ring.reencrypt_column(Invoice.iban).left
        """
        self._check_open()
        place = place_of(column)
        if place is not None:
            name = _name_of(place)
            key_id, bound_as = key_id or place.key_id, bound_as or place.names
            row = row or {each: place.table.c[each].type for each in place.row}
        elif isinstance(column, str):
            name = ColumnName.parse(column)
        else:
            raise TypeError("give a column whose type is an EncryptedColumn, or the text 'table.column'")
        if key_id is None:
            raise TypeError("name the key")
        types = row if isinstance(row, Mapping) else dict.fromkeys(row)
        found = find_column(self._storage, key_id, name, types)
        tags = tags_of(self._storage, key_id, below=below, live=to not in (None, key_id))
        job = Job(self._storage, found, key_id, tags, bound_as or (name.table, name.column), batch)
        if dry_run:
            count, (streams, named) = job.count(), job.streams()
            return Reencryption(
                str(found.name),
                rows=count,
                left=count + streams,
                streams=named,
                index=found.index(),
                index_bytes=found.index_bytes,
            )
        if from_revoked is not None and to in (None, key_id):
            raise ValueError("a revoked key does not encrypt: name another one with `to`")
        revoked = None if from_revoked is None else self.revoked_key(key_id, reason=from_revoked, actor=actor)
        try:
            self._declarations.declare(to or key_id, found.name)
            return job.run(_Ciphers(self, key_id, to or key_id, revoked), progress)
        finally:
            if revoked is not None:
                revoked.close()

    @abstractmethod
    def _check_open(self) -> None: ...

    @abstractmethod
    def revoked_key(self, key_id: str, *, reason: str, actor: str | None = None) -> RevokedKey:
        """Return a key that is revoked."""

    @abstractmethod
    def _encrypt(self, key_id: str, data: BytesLike, aad: BytesLike) -> bytes: ...

    @abstractmethod
    def _decrypt(self, key_id: str, blob: BytesLike, aad: BytesLike) -> tuple[bytes, bool]: ...

    def _encrypt_column(self, place: Place, data: BytesLike, aad: bytes) -> bytes:
        self._check_open()
        self._declarations.declare(place.key_id, _name_of(place))
        return self._encrypt(place.key_id, data, aad)

    def _decrypt_column(self, place: Place, blob: BytesLike, aad: bytes) -> bytes:
        return self._decrypt(place.key_id, blob, aad)[0]


def _name_of(place: Place) -> ColumnName:
    column = place.column
    return ColumnName(place.table.name, "" if column is None else column.name, place.table.schema)
