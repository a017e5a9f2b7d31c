"""Re-encrypts a column of an application: ciphertexts of old versions of a key become ciphertexts of the live one.

A page of rows is read, and its ciphertexts are made outside of any transaction. A short one then replaces only rows
that still have the bytes that were read, and that no other session has locked. Rows that are done are not found again,
so a run that was stopped is started again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import sqlalchemy as sa

from kms_schema.keyring.columns.host_columns import ColumnName, HostColumn, RowKey, count_of
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import ColumnError, DecryptionError, UnknownKeyError, VersionDestroyedError
from kms_schema.keyring.formats.bound_data import bound_data
from kms_schema.keyring.formats.errors import BoundValueError
from kms_schema.models import KeyMaster, KeyVersion

READS = "kms_app that may read the column and the primary key"
CHANGES = "kms_app that may read the column and the primary key, and update the column"
_PASSES = 5
"""How often rows that others were changing are tried again."""
_NAMED = 1000
"""How many rows that do not open are named; the others are counted."""


class Ciphers(Protocol):
    """Opens ciphertexts and makes new ones."""

    def decrypt(self, blob: bytes, *, aad: bytes) -> bytes:
        """Return the plaintext. Raises `DecryptionError`."""

    def encrypt(self, data: bytes, *, aad: bytes) -> bytes:
        """Return a ciphertext under the live version."""


@dataclass
class Reencryption:
    """The result for a column."""

    column: str
    rows: int = 0
    """Rows with messages of old versions, as they were counted before."""
    replaced: int = 0
    tried_again: int = 0
    """Rows that other sessions had locked, or had changed since they were read."""
    left: int = 0
    """Rows with messages and streams of old versions, as they were counted afterwards."""
    streams: list[str] = field(default_factory=list)
    """The primary keys of rows with streams of old versions, at most 1,000. Streams are not replaced."""
    unopened: list[str] = field(default_factory=list)
    """The primary keys of rows whose ciphertext does not open, at most 1,000."""
    index: str | None = None
    """A statement that makes an index for this, if the column has none. It is not run."""
    index_bytes: int | None = None
    """The greatest entry of such an index: a longer ciphertext cannot be written then. None where there is no limit."""


@dataclass(frozen=True)
class Job:
    """A column, the versions whose ciphertexts are replaced, and what its values are bound to."""

    storage: Storage
    column: HostColumn
    key_id: str
    tags: Sequence[int]
    bound_as: tuple[str, str]
    batch: int = 500

    def count(self) -> int:
        """Return how many rows have ciphertexts of these versions."""
        with self.storage.transaction(self.key_id, READS) as connection:
            return sum(count_of(connection, self.column.name, tag) for tag in self.tags)

    def streams(self) -> tuple[int, list[str]]:
        """Return how many rows have streams of these versions, and the primary keys of the first ones."""
        with self.storage.transaction(self.key_id, READS) as connection:
            total, keys = self.column.streams(connection, self.tags, _NAMED)
        return total, [self.column.described(key) for key in keys]

    def counted(self) -> Reencryption:
        """Return the counts of the rows to replace, and change nothing."""
        count, (streams, named) = self.count(), self.streams()
        return Reencryption(
            str(self.column.name),
            rows=count,
            left=count + streams,
            streams=named,
            index=self.column.index(),
            index_bytes=self.column.index_bytes,
        )

    def run(self, ciphers: Ciphers, progress: Callable[[int], None]) -> Reencryption:
        """Replace them. `progress` is called with the rows that are done."""
        done = Reencryption(
            str(self.column.name), rows=self.count(), index=self.column.index(), index_bytes=self.column.index_bytes
        )
        unopened: set[RowKey] = set()
        for attempt in range(_PASSES):
            before = done.tried_again
            for tag in self.tags:
                self._run_version(tag, ciphers, done, unopened, progress)
            if done.tried_again == before:
                break
            self.storage.waits.pause(0.1 * 2**attempt)
        streams, done.streams = self.streams()
        done.left = self.count() + streams
        done.unopened = [self.column.described(key) for key in sorted(unopened, key=repr)]
        return done

    def _run_version(
        self, tag: int, ciphers: Ciphers, done: Reencryption, unopened: set[RowKey], progress: Callable[[int], None]
    ) -> None:
        after: RowKey | None = None
        while True:
            with self.storage.transaction(self.key_id, READS) as connection:
                page = self.column.page(connection, tag, self.batch, after)
            if not page:
                return
            after = self.column.key_of(page[-1])
            changes = [change for row in page if (change := self._change(row, ciphers, unopened)) is not None]
            if changes:
                replaced = self._replace(changes)
                done.replaced += replaced
                done.tried_again += len(changes) - replaced
            progress(done.replaced)
            if len(page) < self.batch:
                return

    def _change(
        self, row: sa.Row[Any], ciphers: Ciphers, unopened: set[RowKey]
    ) -> tuple[RowKey, bytes, bytes, Mapping[str, Any]] | None:
        """Return primary key, old and new ciphertext of a row, and the values it is bound to; None if it is not one."""
        key, old, bound = self.column.key_of(row), self.column.blob_of(row), self.column.bound_of(row)
        if key in unopened:
            return None
        aad = self._aad(bound) if bound else self._same_aad
        try:
            data = ciphers.decrypt(old, aad=aad)
        except (DecryptionError, VersionDestroyedError):
            if len(unopened) < _NAMED:
                unopened.add(key)
            return None
        return key, old, ciphers.encrypt(data, aad=aad), bound

    @cached_property
    def _same_aad(self) -> bytes:
        """The associated data of all rows, where they are bound to none of their columns."""
        return self._aad({})

    def _aad(self, bound: Mapping[str, Any]) -> bytes:
        try:
            return bound_data(*self.bound_as, bound)
        except BoundValueError as error:
            raise ColumnError(f"column {self.column.name}: {error}", key_id=self.key_id, reason="host") from None

    def _replace(self, changes: Sequence[tuple[RowKey, bytes, bytes, Mapping[str, Any]]]) -> int:
        """Replace ciphertexts in one transaction, read them back, and return how many were replaced."""
        with self.storage.transaction(self.key_id, CHANGES, writing=True) as connection:
            locked = {
                self.column.key_of(row): (self.column.blob_of(row), self.column.bound_of(row))
                for row in self.column.locked(connection, [change[0] for change in changes])
            }
            current = [(key, old, new) for key, old, new, bound in changes if locked.get(key) == (old, bound)]
            if current:
                self.column.replace(connection, current)
                found = self.column.read_back(connection, [key for key, _, _ in current])
                wrong = [key for key, _, new in current if found.get(key) != new]
                if wrong:  # no other session can have changed a locked row
                    raise ColumnError(
                        f"column {self.column.name}: the row with {self.column.described(wrong[0])} does not have the"
                        " new ciphertext after the update: does a trigger or a policy of the table change it?"
                        " These rows are as they were",
                        key_id=self.key_id,
                        reason="host",
                    )
        return len(current)


def tags_of(storage: Storage, key_id: str, *, below: int | None = None, live: bool = False) -> list[int]:
    """Return the tags of the versions of a key, of those numbered less than `below`; the live one only if `live`.

    Destroyed versions are among them: what they encrypted does not open, and is reported. Raises `UnknownKeyError`.
    """
    with storage.reading_session(key_id) as session:
        master = session.scalars(sa.select(KeyMaster.id).where(KeyMaster.key_id == key_id)).one_or_none()
        if master is None:
            raise UnknownKeyError(f"there is no key named {key_id!r}", key_id=key_id)
        query = sa.select(KeyVersion).where(KeyVersion.key_id == master).order_by(KeyVersion.version_number)
        if below is not None:
            query = query.where(KeyVersion.version_number < below)
        return [version.ciphertext_tag for version in session.scalars(query) if live or not version.is_live]


def find_column(
    storage: Storage, key_id: str, name: ColumnName, row: Mapping[str, sa.types.TypeEngine[Any] | None]
) -> HostColumn:
    """Return a column of the application. Raises `ColumnError` (`host`)."""
    with storage.transaction(key_id, READS) as connection:
        return HostColumn.find(connection, name, row)
