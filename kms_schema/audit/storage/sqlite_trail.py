"""The trail in SQLite, where writers take turns and no sequence is left out."""

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.storage.sqlite.encoded_entries import SELECTED, entry_or_unreadable, text_as_stored
from kms_schema.audit.storage.sqlite_tombstones import TOMBSTONES, SqliteTombstones
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.trail import (
    NUMBERED,
    Moment,
    Page,
    Subtree,
    TrailError,
    not_a_table,
    not_there,
    readable_last_seal,
    swallowed,
)

if TYPE_CHECKING:
    from kms_schema.audit.verification.worker_pool import Processes

_ATTEMPTS = 20
"""How often several processes try to open the same state."""

_SEAL = (
    "seal_number, origin, sealed_at, tree_size, root_hash, previous_seal_hash, verifier_key, signature, next_key,"
    " compact_range, last_sequence, open_gaps, snapshot_xmax, system_identifier"
)
_SEALED = (
    f"SELECT {_SEAL}, tombstone_leaf_count, tombstone_last_sequence, archive_sha256"
    f" FROM main.key_audit_seals LEFT JOIN ({TOMBSTONES}) AS tombstone USING (seal_number)"
)


class SqliteTrail(SqliteTombstones):
    """One transaction on the trail of a file."""

    others: "Processes | None" = None

    def __init__(self, cursor: sqlite3.Cursor, entries_cursor: sqlite3.Cursor) -> None:
        """Take two cursors of one connection: entries are read with one while the other is used."""
        self._cursor, self._entries_cursor = cursor, entries_cursor

    def demand(self, *tables: str) -> None:
        """Raise `TrailError` where the database does not have a table yet, or has a view or virtual table instead."""
        query = (
            "SELECT type = 'table' AND rootpage > 0 FROM main.sqlite_master"
            " WHERE type IN ('table', 'view') AND lower(name) = ?"
        )
        for table in tables:
            found = self._cursor.execute(query, (table,)).fetchone()
            if found is None:
                raise not_there(table)
            if not found[0]:
                raise not_a_table(table)

    def moment(self) -> Moment:
        """Return that nothing else is going on."""
        return Moment(None, None)

    def transaction_id(self) -> None:
        """Return that transactions have none."""

    def now(self) -> str:
        """Return the database's clock, which counts milliseconds."""
        ((text,),) = self._cursor.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'")
        return str(text)

    def last_seal(self) -> StoredSeal | None:
        """Return the newest seal."""
        row = self._cursor.execute(f"{_SEALED} ORDER BY seal_number DESC LIMIT 1").fetchone()
        return None if row is None else StoredSeal.from_row(row)

    def seal(self, number: int) -> StoredSeal | None:
        """Return one seal."""
        query = f"{_SEALED} WHERE seal_number = ?"
        row = self._cursor.execute(query, (number,)).fetchone()
        return None if row is None else StoredSeal.from_row(row)

    def first_entry_id(self) -> str | None:
        """Return the id of the first entry, as PostgreSQL writes it."""
        row = self._cursor.execute("SELECT id FROM main.key_audit_logs ORDER BY sequence LIMIT 1").fetchone()
        if row is None:
            return None
        digits = str(row[0])
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        """Yield entries above `after`."""
        del gaps
        return self._read("sequence > ? ORDER BY sequence LIMIT ?", (after, limit))

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        """Return how many there are."""
        del gaps
        ((count,),) = self._cursor.execute("SELECT count(*) FROM main.key_audit_logs WHERE sequence > ?", (after,))
        return int(count)

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield entries by sequence."""
        return self._read("sequence >= ? AND sequence <= ? ORDER BY sequence", (first, last))

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        """Yield the pieces, which are entries."""
        return cast("Iterator[bytes]", pieces)

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """Yield entries by sequence."""
        return self.whole(self.pieces(first, last))

    def append(self, seal: StoredSeal, pages: Iterable[Page], subtrees: Iterable[Subtree]) -> None:
        """Write a seal; its guards want it before its pages, and these before the next one."""
        self._cursor.execute(
            f"INSERT INTO main.key_audit_seals ({_SEAL}) VALUES ({', '.join('?' * 14)})",
            seal.row(),
        )
        if self._cursor.rowcount != 1:
            raise swallowed("key_audit_seals")
        self._write(
            "key_audit_leaves (first_leaf, first_sequence, hashes)",
            [(page.first_leaf, page.first_sequence, page.hashes) for page in pages],
        )
        self._write(
            "key_audit_subtrees (level, position, hash)",
            [(subtree.level, subtree.position, subtree.hash) for subtree in subtrees],
        )

    def _write(self, table: str, rows: Sequence[tuple[int, int, bytes]]) -> None:
        if rows:
            self._cursor.executemany(f"INSERT INTO main.{table} VALUES (?, ?, ?)", rows)
            if self._cursor.rowcount != len(rows):
                raise swallowed(table.partition(" ")[0])

    def seals(self) -> Iterator[StoredSeal]:
        """Yield seals from the oldest on."""
        return map(StoredSeal.from_row, self.seal_rows())

    def seal_rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows of seals."""
        number = 0
        query = f"{_SEALED} WHERE seal_number > ? AND typeof(seal_number) = 'integer' ORDER BY seal_number LIMIT 1"
        while row := self._cursor.execute(query, (number,)).fetchone():
            yield row
            number = row[0]

    def pages(self, after_leaf: int, count: int) -> list[Page]:
        """Return pages in the order of the tree."""
        return self._pages("first_leaf", "first_leaf >= ?", after_leaf, count)

    def pages_by_sequence(self, after: int, count: int) -> list[Page]:
        """Return pages by sequence."""
        return self._pages("first_sequence", "first_sequence > ?", after, count)

    def subtrees(self, level: int) -> Iterator[Subtree]:
        """Yield the kept subtrees of a level."""
        position = -1
        query = (
            "SELECT level, position, hash FROM main.key_audit_subtrees"
            " WHERE level = ? AND position > ? AND typeof(position) = 'integer' ORDER BY position LIMIT 1"
        )
        while row := self._cursor.execute(query, (level, position)).fetchone():
            yield Subtree(*row)
            position = row[1]

    def strays(self) -> Iterator[tuple[str, int]]:
        """Count the rows whose numbers are none, or too low."""
        for table, numbers in NUMBERED.items():
            wrong = " OR ".join(
                f"typeof({column}) <> 'integer' OR {column} < {least}" for column, least in numbers.items()
            )
            ((found,),) = self._cursor.execute(f"SELECT count(*) FROM main.{table} WHERE {wrong}")
            if found:
                yield table, found

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        """Return kept subtrees of a level."""
        query = (
            "SELECT level, position, hash FROM main.key_audit_subtrees"
            " WHERE level = ? AND position BETWEEN ? AND ? ORDER BY position"
        )
        return [Subtree(*row) for row in self._cursor.execute(query, (level, first, last))]

    def page_of_sequence(self, sequence: int) -> Page | None:
        """Return the page of an entry."""
        pages = self._found("first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1", (sequence,))
        return pages[0] if pages and sequence <= pages[0].run.last else None

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        """Return the pages of some leaves."""
        begin = "SELECT max(first_leaf) FROM main.key_audit_leaves WHERE first_leaf <= ?"
        return self._found(f"first_leaf BETWEEN ({begin}) AND ? ORDER BY first_leaf", (first_leaf, last_leaf))

    def sequence_of(self, entry: uuid.UUID) -> int | None:
        """Return the sequence of an entry."""
        query = "SELECT sequence FROM main.key_audit_logs WHERE id = ?"
        row = self._cursor.execute(query, (entry.hex,)).fetchone()
        return None if row is None else int(row[0])

    def key(self, key_id: str) -> str | None:
        """Return the id of a key."""
        row = self._cursor.execute("SELECT id FROM main.key_masters WHERE key_id = ?", (key_id,)).fetchone()
        return None if row is None else str(row[0])

    def insert(self, values: Mapping[str, object]) -> int:
        """Write an entry; defaults and triggers set the rest."""
        names, places = ", ".join(f'"{column}"' for column in values), ", ".join("?" * len(values))
        self._cursor.execute(f"INSERT INTO main.key_audit_logs ({names}) VALUES ({places})", list(values.values()))
        if self._cursor.rowcount != 1:
            raise swallowed("key_audit_logs")
        ((sequence,),) = self._cursor.execute("SELECT max(sequence) FROM main.key_audit_logs")
        return int(sequence)

    def _pages(self, order: str, condition: str, least: int, count: int) -> list[Page]:
        return self._found(f"{condition} AND typeof({order}) = 'integer' ORDER BY {order} LIMIT ?", (least, count))

    def _found(self, condition: str, values: tuple[int, ...]) -> list[Page]:
        query = f"SELECT first_leaf, first_sequence, hashes FROM main.key_audit_leaves WHERE {condition}"
        return [Page(*row) for row in self._cursor.execute(query, values)]

    def _read(self, condition: str, values: tuple[int, ...]) -> Iterator[bytes]:
        query = f"SELECT {SELECTED} FROM main.key_audit_logs WHERE typeof(sequence) = 'integer' AND {condition}"
        return map(entry_or_unreadable, self._entries_cursor.execute(query, values))


class OpenSqliteTrail:
    """Transactions on the trail behind an idle sqlite3 connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Raises `TrailError` for a connection in a transaction."""
        if connection.in_transaction:
            raise TrailError("the connection is in a transaction; give one that is idle")
        self._connection = connection

    @contextmanager
    def sealing(self) -> Iterator[SqliteTrail]:
        """Open a transaction that is committed, unless an exception ends it; every other writer waits for it."""
        with self._transaction("BEGIN IMMEDIATE") as trail:
            trail.demand(*NUMBERED)
            yield trail

    @contextmanager
    def reading(self, jobs: int = 1) -> Iterator[SqliteTrail]:
        """Open one snapshot; other processes open it anew until nobody has written meanwhile."""
        if jobs == 1:
            with self._transaction("BEGIN") as trail:
                trail.demand(*NUMBERED)
                yield trail
            return
        from kms_schema.audit.verification.exported_snapshot import SqliteState, SqliteWatch  # noqa: PLC0415
        from kms_schema.audit.verification.worker_pool import started  # noqa: PLC0415

        with closing(SqliteWatch(self._connection)) as watch, started(jobs - 1) as others:
            for _ in range(_ATTEMPTS):
                before = watch.version()
                with self._transaction("BEGIN") as trail:
                    trail.demand(*NUMBERED)  # the first read: from here on this transaction sees one state
                    seals = {readable_last_seal(trail), *others.open(SqliteState(watch.path))}
                    if len(seals) == 1 and watch.version() == before:
                        trail.others = others
                        yield trail
                        return
        raise TrailError(f"the file was written each time that {jobs} processes opened it: verify it with one job")

    @contextmanager
    def writing(self) -> Iterator[SqliteTrail]:
        """Open a transaction that is committed, unless an exception ends it; every other writer waits for it."""
        with self._transaction("BEGIN IMMEDIATE") as trail:
            trail.demand("key_audit_logs")
            yield trail

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[SqliteTrail]:
        cursor, entries_cursor = self._connection.cursor(), self._connection.cursor()
        cursor.row_factory = entries_cursor.row_factory = None
        text_factory = self._connection.text_factory
        self._connection.text_factory = text_as_stored
        try:
            cursor.execute(begin)
            try:
                yield SqliteTrail(cursor, entries_cursor)
            except BaseException:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
        finally:
            self._connection.text_factory = text_factory
