"""The transactions on a trail in PostgreSQL: their settings, and how they end."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from kms_schema.audit.storage.errors import TrailError, seals_locked
from kms_schema.audit.storage.postgresql.entries import PostgresqlEntries, PostgresqlRetention
from kms_schema.audit.storage.postgresql.session import PostgresqlSession, complete_commit
from kms_schema.audit.storage.records import LISTED, TransactionHorizon
from kms_schema.audit.storage.row_security import going_by_policies
from kms_schema.audit.storage.seals import COLUMNS, Seals
from kms_schema.audit.storage.transactions import ExportedSnapshot, OpenElsewhere, OpenTrail, Transaction
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS, POLL_SECONDS, described, durable, limits, sealing
from kms_schema.database.query_plans import LOOK_UP, SCAN
from kms_schema.text.identifiers import literal

# In a database of the encoding SQL_ASCII a text can be any bytes: the server refuses to send them as UTF-8.
_TEXT = "convert_to({0}, CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)"
_TEXTS = tuple(COLUMNS.index(column) for column in ("origin", "verifier_key", "next_key"))
_SELECTED = {column: _TEXT.format(column) for column in ("origin", "verifier_key", "next_key")} | {
    "sealed_at": "to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    "open_gaps": "textin(jsonb_out(open_gaps))",
}


class PostgresqlSeals(Seals):
    """Reads and writes `key_audit_seals`, and locks it for one sealer."""

    selected: ClassVar[str] = ", ".join(_SELECTED.get(column, column) for column in COLUMNS)

    def lock(self) -> bool:
        """Let no other session seal this trail until the transaction ends; return False if one does already."""
        (locked,) = self._session.row(f"SELECT {self._session.schema}.lock_key_audit_seals()")
        return bool(locked)

    def lock_holder(self) -> str:
        """Return the session that seals, in brackets, as far as this role can read."""
        rows = self._session.rows(sealing(f"{self._session.schema}.key_audit_seals"))
        return described(rows[0] if rows else None)

    def _with_texts(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return a row with its texts; bytes that are not UTF-8 become characters that no seal can have."""
        return [
            bytes(value).decode("utf-8", "surrogateescape") if at in _TEXTS and value is not None else value
            for at, value in enumerate(row)
        ]


# A role or database may have limits for clients: an archive is checked while its snapshot is idle. PostgreSQL has
# transaction_timeout from version 17 on. Without standard_conforming_strings, psycopg writes too many backslashes in
# arrays of bytes.
_UNLIMITED = """SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL client_encoding = 'UTF8';
SET LOCAL statement_timeout = 0;
SET LOCAL standard_conforming_strings = on;
SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"""
_WRITING = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_UNLIMITED}; SET LOCAL row_security = on; {durable()}"
_SETTINGS = f"{_UNLIMITED}; SET LOCAL row_security = off"
# Every statement of a sealing transaction has its own snapshot, taken after the lock.
# A checkpoint is published as soon as its seal is committed: neither a crash, nor the promotion of a standby that
# commits have to wait for, may lose the seal.
# A session of the owner in which a restore is on would skip the guard triggers, and count no entry into the totals.
_SEALING = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_SETTINGS}; SET LOCAL client_min_messages = warning;"
    " SET LOCAL kms.restore = off;"
    f" {durable()}"
)
_BATCH = 5000
"""Rows of a stream that are in memory."""
_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresqlTransaction(Transaction):
    """One transaction, as it was begun."""

    def __init__(self, session: PostgresqlSession) -> None:
        """Give access to every part over one session."""
        super().__init__(session)
        self.session: PostgresqlSession = session
        self.seals: PostgresqlSeals = PostgresqlSeals(session)
        self.entries: PostgresqlEntries = PostgresqlEntries(session)
        self.retention: PostgresqlRetention = PostgresqlRetention(session)

    def horizon(self) -> TransactionHorizon:
        """Return the horizon of this statement's snapshot."""
        return TransactionHorizon(
            *self.session.row(
                "SELECT int8in(xid8out(pg_snapshot_xmin(pg_current_snapshot()))), textin(int8out(system_identifier))"
                " FROM pg_control_system()"
            )
        )

    def transaction_id(self) -> int:
        """Return the id of this transaction, which has none before the first call or write."""
        (given,) = self.session.row("SELECT int8in(xid8out(pg_current_xact_id()))")
        return int(given)

    def now(self) -> str:
        """Return the server's clock."""
        (text,) = self.session.row(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        )
        return str(text)

    def table(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        rows = self.session.rows(query)
        return [column.name for column in self.session.cursor.description or ()], rows

    def stream(self, query: str) -> Generator[list[tuple[Any, ...]], None, None]:
        """Yield batches of a cursor of the server; one at a time is open."""
        self.session.cursor.execute(f"DECLARE streamed NO SCROLL CURSOR FOR {query}".encode())
        while rows := self.session.rows(f"FETCH {_BATCH} FROM streamed"):
            yield rows
        self.session.cursor.execute("CLOSE streamed")

    def against_time(self) -> Iterator[str]:
        """Yield nothing: the server sets the times."""
        return iter(())

    def not_indexed(self, table: str, key: tuple[str, ...]) -> Iterator[str]:
        """Look up each row of the table in the index."""
        named = " || ', ' || ".join(f"format('{column} %s', scanned.{column})" for column in key)
        computed = ", ".join(f"{column} + 0 AS {column}" for column in key)
        found = " AND ".join(f"indexed.{column} = scanned.{column}" for column in key)
        name = f"ONLY {self.session.schema}.{table}"
        # A computed column has no order of an index, so the rows come from a scan; the index finds the other side.
        with self.session.planned(LOOK_UP):
            rows = self.session.rows(
                f"SELECT {named} FROM (SELECT ctid AS place, {computed} FROM {name} OFFSET 0) AS scanned"
                f" WHERE NOT EXISTS (SELECT FROM {name} AS indexed WHERE {found} AND indexed.ctid = place)"
                f" ORDER BY 1 LIMIT {LISTED}"
            )
        yield from (str(row[0]) for row in rows)

    def _is_no_number(self, column: str) -> str:
        return f"{column} IS NULL"

    def _count_in_table(self, table: str, condition: str) -> int:
        with self.session.planned(SCAN):
            (found,) = self.session.row(f"SELECT count(*) FROM ONLY {self.session.schema}.{table} WHERE {condition}")
        return int(found)

    def _is_inherited(self, table: str) -> bool:
        name = f"{self.session.schema}.{table}"
        query = f"SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = $kms${name}$kms$::regclass)"
        return self.session.row(query) == (True,)


@contextmanager
def snapshot_within(connection: "psycopg.Connection[Any]", schema: str) -> Iterator[PostgresqlTransaction]:
    """Give access to the trail within the REPEATABLE READ transaction that a connection is in, which goes on."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(_SETTINGS.encode(), prepare=False)
        cursor.execute(going_by_policies(schema).encode())
        session = PostgresqlSession(cursor, schema)
        session.require_seals()
        try:
            yield PostgresqlTransaction(session)
        finally:
            session.stop_copy()


class OpenPostgresqlTrail(OpenTrail):
    """Transactions on the trail behind an idle psycopg connection."""

    def __init__(
        self, connection: "psycopg.Connection[Any]", schema: str, lock_wait: float = LOCK_WAIT_SECONDS
    ) -> None:
        """Wait for other sessions for `lock_wait` seconds. Raises `TrailError` for a connection in a transaction."""
        if connection.info.transaction_status != TransactionStatus.IDLE:
            raise TrailError("the connection is in a transaction; give an idle connection")
        self._connection, self._schema, self._lock_wait = connection, schema, lock_wait

    @contextmanager
    def sealing(self) -> Iterator[PostgresqlTransaction]:
        """Open a transaction that commits unless an exception ends it; other sealers wait for it.

        They poll: a session that waited at the server would go on waiting there after its client has gone.
        """
        deadline = time.monotonic() + self._lock_wait
        while True:
            with complete_commit(self._connection) as about_to_commit, self._transaction(_SEALING) as transaction:
                transaction.session.require_seals()
                if transaction.seals.lock():
                    yield transaction
                    about_to_commit()
                    return
                holder = transaction.seals.lock_holder()
            if (left := deadline - time.monotonic()) <= 0:
                raise seals_locked(holder, self._lock_wait)
            time.sleep(min(POLL_SECONDS, left))

    @contextmanager
    def reading(self, open_elsewhere: OpenElsewhere | None = None) -> Iterator[PostgresqlTransaction]:
        """Open a snapshot, read only; other processes import it, also on a hot standby."""
        with self._transaction(f"{_READING}; {_SETTINGS}") as transaction:
            transaction.session.require_seals()
            if open_elsewhere is not None:
                (name,) = transaction.session.row("SELECT pg_export_snapshot()")
                open_elsewhere(PostgresqlSnapshot.exported(self._connection, self._schema, str(name)))
            yield transaction

    @contextmanager
    def reading_exported(self, snapshot: str) -> Iterator[PostgresqlTransaction]:
        """Open the snapshot that another transaction has exported under this name."""
        with self._transaction(f"{_READING}; SET TRANSACTION SNAPSHOT {literal(snapshot)}; {_SETTINGS}") as transaction:
            yield transaction

    @contextmanager
    def writing(self) -> Iterator[PostgresqlTransaction]:
        """Open a transaction that commits unless an exception ends it; row security applies as to any client."""
        with self._transaction(_WRITING) as transaction:
            transaction.session.require_entries()
            yield transaction

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[PostgresqlTransaction]:
        autocommit = self._connection.autocommit
        self._connection.autocommit = True
        try:
            with self._connection.cursor(row_factory=tuple_row) as cursor:
                cursor.execute(f"{begin}; {limits(self._lock_wait)}".encode(), prepare=False)
                if "row_security" in begin:
                    cursor.execute(going_by_policies(self._schema).encode())
                session = PostgresqlSession(cursor, self._schema)
                try:
                    yield PostgresqlTransaction(session)
                except BaseException:
                    if not self._connection.closed:
                        session.stop_copy()
                        cursor.execute("ROLLBACK")
                    raise
                cursor.execute("COMMIT")
        finally:
            if not self._connection.closed:
                self._connection.autocommit = autocommit


@dataclass(frozen=True)
class PostgresqlSnapshot(ExportedSnapshot):
    """A snapshot that a transaction has exported. It can be opened while that transaction lasts."""

    conninfo: str = field(repr=False)  # contains the password
    schema: str
    snapshot: str

    @classmethod
    def exported(cls, connection: "psycopg.Connection[Any]", schema: str, snapshot: str) -> "PostgresqlSnapshot":
        """Take the server, database and role of a connection, and its password."""
        info = connection.info
        conninfo = make_conninfo(info.dsn, password=info.password) if info.password else info.dsn
        return cls(conninfo, schema, snapshot)

    @contextmanager
    def opened(self) -> Iterator[PostgresqlTransaction]:
        with (
            closing(psycopg.connect(self.conninfo, autocommit=True, prepare_threshold=None)) as connection,
            OpenPostgresqlTrail(connection, self.schema).reading_exported(self.snapshot) as transaction,
        ):
            yield transaction
