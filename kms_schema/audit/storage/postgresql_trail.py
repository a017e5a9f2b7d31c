"""The trail in PostgreSQL."""

import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.storage.postgresql.copy_stream import after_header, whole
from kms_schema.audit.storage.postgresql.encoded_entries import SELECTED
from kms_schema.audit.storage.postgresql_tombstones import PostgresqlTombstones
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.trail import NUMBERED, Moment, Page, Subtree, not_a_table, not_there, swallowed

if TYPE_CHECKING:
    import psycopg

    from kms_schema.audit.verification.worker_pool import Processes

_LOCK_CLASS = int.from_bytes(b"kmsS", "big")
"""Names the lock of sealers among advisory locks, beside the oid of the trail."""
_SEAL = (
    "seal_number, origin, to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), tree_size,"
    " root_hash, previous_seal_hash, verifier_key, signature, next_key, compact_range, last_sequence, open_gaps::text,"
    " snapshot_xmax, system_identifier, tombstone_leaf_count, tombstone_last_sequence, archive_sha256"
)
_BATCH = 1000


class PostgresqlTrail(PostgresqlTombstones):
    """One transaction on the trail in a schema."""

    others: "Processes | None" = None

    def __init__(self, cursor: "psycopg.Cursor[tuple[Any, ...]]", schema: str) -> None:
        """Take the cursor of a transaction that `sealing` or `reading` began."""
        self._cursor = cursor
        self._copying: Generator[Bytes, None, None] | None = None
        self._schema = quoted = '"' + schema.replace('"', '""') + '"'
        self._logs, self._seals, self._leaves, self._subtrees, self._tombstones = (
            f"{quoted}.{table}" for table in NUMBERED
        )
        self._masters = f"{quoted}.key_masters"
        self._sealed = f"ONLY {self._seals} LEFT JOIN ({self.tombstones}) AS tombstone USING (seal_number)"

    def demand_seals(self) -> None:
        """Raise `TrailError` where the database has no seals yet."""
        self._demand(self._seals, self._logs, self._leaves, self._subtrees, self._tombstones)

    def demand_entries(self) -> None:
        """Raise `TrailError` where the database has no trail yet."""
        self._demand(self._logs)

    def _demand(self, *tables: str) -> None:
        """Want plain tables: a view could show this program what it shows nobody else."""
        kinds = self._cursor.execute(
            "SELECT to_regclass(name) IS NOT NULL, coalesce(relkind = 'r', false)"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS tables (name, place)"
            " LEFT JOIN pg_class ON pg_class.oid = to_regclass(name) ORDER BY place",
            (list(tables),),
        ).fetchall()
        for table, (is_there, is_table) in zip(tables, kinds, strict=True):
            name = table.replace('"', "")
            if not is_there:
                raise not_there(name)
            if not is_table:
                raise not_a_table(name)

    def lock(self) -> None:
        """Wait until no other session seals this trail."""
        self._cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s::regclass::oid::bigint::bit(32)::integer)", (_LOCK_CLASS, self._seals)
        )

    def moment(self) -> Moment:
        """Return the snapshot of this statement."""
        return Moment(
            *self._row(
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, system_identifier::text"
                " FROM pg_control_system()"
            )
        )

    def exported(self) -> str:
        """Export the snapshot, and return its name: another session can import it while this transaction lasts."""
        (name,) = self._row("SELECT pg_export_snapshot()")
        return str(name)

    def transaction_id(self) -> int:
        """Return the id of this transaction, which has none before it is asked for or writes."""
        (given,) = self._row("SELECT pg_current_xact_id()::text::bigint")
        return int(given)

    def now(self) -> str:
        """Return the server's clock."""
        (text,) = self._row("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        return str(text)

    def last_seal(self) -> StoredSeal | None:
        """Return the newest seal."""
        self._execute(f"SELECT {_SEAL} FROM {self._sealed} ORDER BY seal_number DESC LIMIT 1")
        row = self._cursor.fetchone()
        return None if row is None else StoredSeal.from_row(row)

    def seal(self, number: int) -> StoredSeal | None:
        """Return one seal."""
        rows = self._rows(f"SELECT {_SEAL} FROM {self._sealed} WHERE seal_number = {number:d}")
        return StoredSeal.from_row(rows[0]) if rows else None

    def first_entry_id(self) -> str | None:
        """Return the id of the first entry."""
        self._execute(f"SELECT id::text FROM ONLY {self._logs} ORDER BY sequence LIMIT 1")
        row = self._cursor.fetchone()
        return None if row is None else str(row[0])

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        """Yield entries above `after` and in `gaps`, as far as they are visible."""
        found = self._not_sealed("*", after, gaps)
        return self.whole(self._copied(f"SELECT {SELECTED} FROM ({found}) AS entry ORDER BY sequence LIMIT {limit:d}"))

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        """Return how many there are."""
        (count,) = self._row(f"SELECT count(*) FROM ({self._not_sealed('sequence', after, gaps)}) AS entry")
        return int(count)

    def _not_sealed(self, columns: str, after: int, gaps: Sequence[Gap]) -> str:
        found = f"SELECT {columns} FROM ONLY {self._logs} WHERE sequence > {after:d}"
        if gaps:
            firsts, lasts = (
                f"ARRAY[{','.join(f'{end:d}' for end in ends)}]::bigint[]"
                for ends in ([gap.first for gap in gaps], [gap.last for gap in gaps])
            )
            found += (
                f" UNION ALL SELECT entry.{columns} FROM unnest({firsts}, {lasts}) AS gap (first, last)"
                f" JOIN ONLY {self._logs} AS entry ON entry.sequence BETWEEN gap.first AND gap.last"
            )
        return found

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield what COPY sends, a tuple a piece, and its trailer."""
        return self._copied(
            f"SELECT {SELECTED} FROM ONLY {self._logs} WHERE sequence BETWEEN {first:d} AND {last:d} ORDER BY sequence"
        )

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        """Yield the tuples, each of whose lengths is read."""
        return map(bytes, whole(pieces))

    def entries(self, first: int, last: int) -> Iterator[bytes]:
        """Yield entries by sequence."""
        return self.whole(self.pieces(first, last))

    def append(self, seal: StoredSeal, pages: Iterable[Page], subtrees: Iterable[Subtree]) -> None:
        """Write a seal; its guards want it before its pages, and these before the next one."""
        self._cursor.execute(
            f"INSERT INTO {self._seals} VALUES ({', '.join(['%s'] * 14)})".encode(),
            seal.row(),
        )
        if self._cursor.rowcount != 1:
            raise swallowed("key_audit_seals")
        self._write("key_audit_leaves", [(page.first_leaf, page.first_sequence, page.hashes) for page in pages])
        self._write("key_audit_subtrees", [(subtree.level, subtree.position, subtree.hash) for subtree in subtrees])

    def _write(self, table: str, rows: Sequence[tuple[int, int, bytes]]) -> None:
        if rows:
            # One statement: what is added up of the entries, is added up once for all of them.
            self._cursor.execute(
                f"INSERT INTO {self._schema}.{table}"
                " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])".encode(),
                [list(column) for column in zip(*rows, strict=True)],
            )
            if self._cursor.rowcount != len(rows):
                raise swallowed(table)

    def seals(self) -> Iterator[StoredSeal]:
        """Yield seals from the oldest on."""
        return map(StoredSeal.from_row, self.seal_rows())

    def seal_rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows of seals, a batch at a time."""
        number = 0
        while rows := self._rows(
            f"SELECT {_SEAL} FROM {self._sealed} WHERE seal_number > {number:d} ORDER BY seal_number LIMIT {_BATCH}"
        ):
            yield from rows
            number = rows[-1][0]

    def pages(self, after_leaf: int, count: int) -> list[Page]:
        """Return pages in the order of the tree."""
        return self._pages(f"first_leaf >= {after_leaf:d} ORDER BY first_leaf LIMIT {count:d}")

    def pages_by_sequence(self, after: int, count: int) -> list[Page]:
        """Return pages by sequence."""
        return self._pages(f"first_sequence > {after:d} ORDER BY first_sequence LIMIT {count:d}")

    def subtrees(self, level: int) -> Iterator[Subtree]:
        """Yield the kept subtrees of a level, a batch at a time."""
        position = -1
        while rows := self._rows(
            f"SELECT level, position, hash FROM ONLY {self._subtrees}"
            f" WHERE level = {level:d} AND position > {position:d} ORDER BY position LIMIT {_BATCH}"
        ):
            yield from (Subtree(*row) for row in rows)
            position = rows[-1][1]

    def strays(self) -> Iterator[tuple[str, int]]:
        """Count the rows whose numbers are NULL or too low."""
        for table, numbers in NUMBERED.items():
            wrong = " OR ".join(f"{column} IS NULL OR {column} < {least}" for column, least in numbers.items())
            (found,) = self._row(f"SELECT count(*) FROM ONLY {self._schema}.{table} WHERE {wrong}")
            if found:
                yield table, int(found)

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        """Return kept subtrees of a level."""
        return [
            Subtree(*row)
            for row in self._rows(
                f"SELECT level, position, hash FROM ONLY {self._subtrees}"
                f" WHERE level = {level:d} AND position BETWEEN {first:d} AND {last:d} ORDER BY position"
            )
        ]

    def page_of_sequence(self, sequence: int) -> Page | None:
        """Return the page of an entry."""
        pages = self._pages(f"first_sequence <= {sequence:d} ORDER BY first_sequence DESC LIMIT 1")
        return pages[0] if pages and sequence <= pages[0].run.last else None

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        """Return the pages of some leaves."""
        begin = f"SELECT max(first_leaf) FROM ONLY {self._leaves} WHERE first_leaf <= {first_leaf:d}"
        return self._pages(f"first_leaf BETWEEN ({begin}) AND {last_leaf:d} ORDER BY first_leaf")

    def sequence_of(self, entry: uuid.UUID) -> int | None:
        """Return the sequence of an entry."""
        self._cursor.execute(f"SELECT sequence FROM ONLY {self._logs} WHERE id = %s".encode(), (entry,))
        row = self._cursor.fetchone()
        return None if row is None else int(row[0])

    def key(self, key_id: str) -> uuid.UUID | None:
        """Return the id of a key."""
        self._cursor.execute(f"SELECT id FROM ONLY {self._masters} WHERE key_id = %s".encode(), (key_id,))
        row = self._cursor.fetchone()
        return None if row is None else row[0]

    def insert(self, values: Mapping[str, object]) -> int:
        """Write an entry; the server sets the rest."""
        names = ", ".join(f'"{column}"' for column in values)
        places = ", ".join(["%s"] * len(values))
        self._cursor.execute(
            f"INSERT INTO {self._logs} ({names}) VALUES ({places}) RETURNING sequence".encode(), list(values.values())
        )
        row = self._cursor.fetchone()
        if row is None:
            raise swallowed("key_audit_logs")
        return int(row[0])

    def _pages(self, condition: str) -> list[Page]:
        query = f"SELECT first_leaf, first_sequence, hashes FROM ONLY {self._leaves} WHERE {condition}"
        return [Page(*row) for row in self._rows(query)]

    def stop(self) -> None:
        """End a COPY that nobody reads on: no statement gets through while it lasts, not even ROLLBACK."""
        if self._copying is not None:
            self._copying.close()

    def _copied(self, query: str) -> Iterator[Bytes]:
        self._copying = self._copy(query)
        return self._copying

    def _copy(self, query: str) -> Generator[Bytes, None, None]:
        with self._cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as stream:
            yield from after_header(stream)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        self._execute(query)
        return self._cursor.fetchall()

    def _row(self, query: str) -> tuple[Any, ...]:
        self._execute(query)
        row = self._cursor.fetchone()
        assert row is not None  # noqa: S101  (a SELECT without FROM has one row)
        return row

    def _execute(self, query: str) -> None:
        self._cursor.execute(query.encode())
