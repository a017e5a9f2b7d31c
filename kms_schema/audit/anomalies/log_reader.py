"""Runs the queries of the rules over one snapshot, on a connection that may have a transaction open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from kms_schema.audit.anomalies import known_entries, rules
from kms_schema.audit.storage.errors import TrailError, missing_table
from kms_schema.audit.storage.row_security import going_by_policies
from kms_schema.audit.storage.sqlite_values import text_as_stored
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS, limits
from kms_schema.reading.queries import Queries
from kms_schema.reading.reader import Reader, tuple_row
from kms_schema.text.identifiers import quoted

if TYPE_CHECKING:
    import psycopg

_LOG = "key_audit_logs"
_IDLE = 0
"""psycopg's `TransactionStatus.IDLE`; psycopg is not imported for SQLite."""
_FOLD, _FOLD_END = known_entries.folding()
QUERIES = Queries(
    __file__,
    most_entries=rules.MOST_ENTRIES,
    sweep_keys=rules.SWEEP_KEYS,
    spike_uses=rules.SPIKE_USES,
    known_days=rules.KNOWN_DAYS,
    established_days=rules.ESTABLISHED_DAYS,
    explained_hours=rules.EXPLAINED_HOURS,
    late_entry_hours=rules.LATE_ENTRY_HOURS,
    uses=known_entries.uses(),
    changes=known_entries.changes(),
    known_types=known_entries.known_types(),
    possible_statuses=known_entries.possible_statuses(),
    folded_types=known_entries.folded_types(),
    fold=_FOLD,
    fold_end=_FOLD_END,
)
"""The queries of the rules, with their thresholds and the types of entries."""


@contextmanager
def reading(connection: "psycopg.Connection[Any] | sqlite3.Connection", schema: str) -> Iterator[Reader]:
    """Open a snapshot, or use that of the transaction that is open; leave the connection as it was."""
    if isinstance(connection, sqlite3.Connection):
        with _reading_sqlite(connection) as reader:
            yield reader
    else:
        with _reading_postgresql(connection, schema) as reader:
            yield reader


@contextmanager
def _reading_sqlite(connection: sqlite3.Connection) -> Iterator[Reader]:
    cursor = connection.cursor()
    cursor.row_factory = None
    text_factory, begins = connection.text_factory, not connection.in_transaction
    connection.text_factory = text_as_stored
    try:
        if begins:
            cursor.execute("BEGIN")
        try:
            if not cursor.execute("SELECT 1 FROM main.sqlite_master WHERE name = ?", (_LOG,)).fetchall():
                raise missing_table(_LOG)
            with closing(Reader(connection, "main", QUERIES)) as reader:
                yield reader
        finally:
            if begins and connection.in_transaction:
                cursor.execute("ROLLBACK")
    finally:
        connection.text_factory = text_factory


# Entries of some days look up rows by id: to hash all keys and versions of a large database takes longer.
_SETTINGS = (
    "SET LOCAL row_security = off; SET LOCAL jit = off; SET LOCAL client_encoding = 'UTF8';"
    " SET LOCAL DateStyle = 'ISO'; SET LOCAL random_page_cost = 1.1; SET LOCAL work_mem = '64MB';"
    " SET LOCAL search_path = pg_catalog, pg_temp"
)
_VISIBLE = """SELECT to_regclass(%(name)s) IS NULL,
    current_setting('row_security') = 'off' AND row_security_active(to_regclass(%(name)s)::oid)"""
"""Two truth values: the log is missing; row-level security leaves out a part of it, unless its policies show all."""


@contextmanager
def _reading_postgresql(connection: "psycopg.Connection[Any]", schema: str) -> Iterator[Reader]:
    with _transaction(connection), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(f"SAVEPOINT kms_anomalies; {_SETTINGS}".encode(), prepare=False)
        try:
            cursor.execute(going_by_policies(schema).encode(), prepare=False)
            name = f"{quoted(schema)}.{_LOG}"
            cursor.execute(_VISIBLE.encode(), {"name": name}, prepare=False)
            is_missing, is_partial = cursor.fetchall()[0]
            if is_missing:
                raise missing_table(f"{schema}.{_LOG}")
            if is_partial:
                raise TrailError(
                    "row-level security shows this role a part of the audit log, and anomalies would be missed:"
                    " run this as a member of kms_auditor"
                )
            with closing(Reader(connection, schema, QUERIES, prepare=False)) as reader:
                yield reader
        finally:
            if not connection.closed:
                cursor.execute(b"ROLLBACK TO SAVEPOINT kms_anomalies; RELEASE SAVEPOINT kms_anomalies", prepare=False)


@contextmanager
def _transaction(connection: "psycopg.Connection[Any]") -> Iterator[None]:
    """Open a transaction that only reads, if none is open."""
    if connection.info.transaction_status != _IDLE:
        yield
        return
    autocommit = connection.autocommit
    connection.autocommit = True
    try:
        begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {limits(LOCK_WAIT_SECONDS)}"
        connection.execute(begin.encode(), prepare=False)
        try:
            yield
        finally:
            if not connection.closed:
                connection.execute(b"ROLLBACK", prepare=False)
    finally:
        if not connection.closed:
            connection.autocommit = autocommit
