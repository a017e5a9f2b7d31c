"""Runs the queries of the rules over one snapshot, on a connection that may have a transaction open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from kms_schema.audit.anomalies import rules
from kms_schema.audit.storage.errors import TrailError, missing_table
from kms_schema.audit.storage.row_security import going_by_policies
from kms_schema.audit.storage.sqlite_values import text_as_stored
from kms_schema.database.driver_connections import DatabaseConnection, PostgresqlConnection
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS, limits
from kms_schema.reading.queries import Queries
from kms_schema.reading.reader import Reader, tuple_row
from kms_schema.text.identifiers import quoted
from kms_schema.vocabulary import KeyStatus, RecordedEvent, UseEvent, statuses_before

_LOOK_ALIKE = (("0", "O"), ("1", "I"), ("L", "I"), ("_", ""), (".", ""), (":", ""), ("-", ""), ("RN", "M"), ("VV", "W"))
"""The characters that `guard_key_audit_log_insert_event` treats alike, in the order of their replacement."""

_FORMS = {
    "KEY_": "key",
    "VERSION_": "version",
    "ROTATION_": "rotation",
    "RETENTION_": "retention",
    "TRAIL_": "tombstone",
    "RIGHTS_": "privileges",
}
"""The form of the document, by the beginning of the type; others are of the form `row`."""

_STATUS_OF = {
    RecordedEvent.KEY_ACTIVATED: KeyStatus.ACTIVE,
    RecordedEvent.KEY_ROTATED: KeyStatus.ROTATED,
    RecordedEvent.KEY_EXPIRED: KeyStatus.EXPIRED,
    RecordedEvent.KEY_REVOKED: KeyStatus.REVOKED,
    RecordedEvent.KEY_ARCHIVED: KeyStatus.ARCHIVED,
}


def literals(texts: "list[str] | tuple[str, ...]") -> str:
    """Return names of this package as a list of SQL literals. None has a quote."""
    return ", ".join(f"'{text}'" for text in texts)


def uses() -> str:
    """Return the types of entries about the use of keys."""
    return literals([event.value for event in UseEvent])


def changes() -> str:
    """Return the types of entries that the database writes about keys, versions and rotations."""
    return literals([event.value for event in RecordedEvent if event.startswith(("KEY_", "VERSION_", "ROTATION_"))])


def known_types() -> str:
    """Return a row of each type: its category, level, form, and whether it has a key: `yes`, `no` or `any`."""
    rows = [
        (event.value, event.category.value, event.security_level.value, _form(event), _keyed(event))
        for event in RecordedEvent
    ]
    used = UseEvent.KEY_USED
    rows.append((used.value, used.category.value, used.security_level.value, "use", "yes"))
    return ", ".join(f"({literals(row)})" for row in rows)


def possible_statuses() -> str:
    """Return a row of each type about a status of a key and each status that the key can have afterwards."""
    return ", ".join(
        f"({literals((event.value, status.value))})"
        for event, reached in _STATUS_OF.items()
        for status in KeyStatus
        if status is reached or reached in statuses_before(status)
    )


def folded_types() -> str:
    """Return the types of recorded changes as the expression of `folding` returns them."""
    return literals([_folded(event.value) for event in RecordedEvent])


def folding() -> tuple[str, str]:
    """Return the text before and after a type in an expression that is the same for types that look alike."""
    replacements = (f", '{old}', '{new}')" for old, new in _LOOK_ALIKE)
    return "replace(" * len(_LOOK_ALIKE), "".join(replacements)


def _folded(text: str) -> str:
    for old, new in _LOOK_ALIKE:
        text = text.replace(old, new)
    return text


def _form(event: RecordedEvent) -> str:
    return next((form for begin, form in _FORMS.items() if event.startswith(begin)), "row")


def _keyed(event: RecordedEvent) -> str:
    if _form(event) not in ("key", "version", "rotation") or event.endswith(("_CREATED", "_DELETED")):
        return "no"
    # A retry of a rotation has the key, a request for one does not.
    return "any" if event is RecordedEvent.ROTATION_SCHEDULED else "yes"


_LOG = "key_audit_logs"
_IDLE = 0
"""psycopg's `TransactionStatus.IDLE`; psycopg is not imported for SQLite."""
_FOLD, _FOLD_END = folding()
QUERIES = Queries(
    __file__,
    most_entries=rules.MOST_ENTRIES,
    sweep_keys=rules.SWEEP_KEYS,
    spike_uses=rules.SPIKE_USES,
    known_days=rules.KNOWN_DAYS,
    established_days=rules.ESTABLISHED_DAYS,
    explained_hours=rules.EXPLAINED_HOURS,
    late_entry_hours=rules.LATE_ENTRY_HOURS,
    uses=uses(),
    changes=changes(),
    known_types=known_types(),
    possible_statuses=possible_statuses(),
    folded_types=folded_types(),
    fold=_FOLD,
    fold_end=_FOLD_END,
)
"""The queries of the rules, with their thresholds and the types of entries."""


@contextmanager
def reading(connection: DatabaseConnection, schema: str) -> Iterator[Reader]:
    """Open a snapshot, or use the snapshot of an open transaction; leave the connection as it was."""
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
def _reading_postgresql(connection: PostgresqlConnection, schema: str) -> Iterator[Reader]:
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
def _transaction(connection: PostgresqlConnection) -> Iterator[None]:
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
