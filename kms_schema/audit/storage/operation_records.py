"""Writes records of operations that leave nothing else in the database: `key_operation_records`."""

import sqlite3
import sys

from kms_schema.audit.storage.errors import TrailError, missing_table, write_discarded
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS, limits
from kms_schema.database.messages import NOT_PERMITTED, UNDEFINED_TABLE, driver_message, sqlstate_of
from kms_schema.text.identifiers import quoted
from kms_schema.vocabulary import RecordedOperation

TABLE = "key_operation_records"
_COLUMNS = ("operation", "subject", "seal_number", "errors", "warnings", "infos", "unchecked")


def record_operation(  # noqa: PLR0913  (each is a column)
    connection: DatabaseConnection,
    operation: RecordedOperation,
    subject: str,
    *,
    schema: str = "public",
    seal_number: int | None = None,
    findings: tuple[int, int, int, int] | None = None,
) -> None:
    """Record an operation with the time and the role of the database, and commit it.

    - `connection`: idle, of psycopg or `sqlite3`; its role is `kms_auditor` for a validation, else `kms_sealer`
    - `subject`: the origin of a published trail, the name of a witness, or the level of a validation
    - `schema`: the schema of the tables on PostgreSQL; not used on SQLite
    - `seal_number`: the seal of the checkpoint; None for a validation
    - `findings`: the numbers of errors, warnings and infos of a validation, and of checks that could not run; None for
      a checkpoint

    Raises `TrailError` if nothing is recorded: the table is missing, or the database refuses it. Example::

        record_operation(connection, RecordedOperation.PUBLICATION, "kms.example/audit", seal_number=12)
    """
    row = (str(operation), subject, seal_number, *(findings or (None, None, None, None)))
    place = "?" if isinstance(connection, sqlite3.Connection) else "%s"
    where = "main" if isinstance(connection, sqlite3.Connection) else quoted(schema)
    statement = f"INSERT INTO {where}.{TABLE} ({', '.join(_COLUMNS)}) VALUES ({', '.join([place] * len(row))})"
    psycopg = sys.modules.get("psycopg")
    refusals = (sqlite3.Error,) if psycopg is None else (sqlite3.Error, psycopg.Error)
    try:
        if isinstance(connection, sqlite3.Connection):
            with connection:
                written = connection.execute(statement, row).rowcount
        else:
            with connection.transaction():
                connection.execute(b"SET TRANSACTION READ WRITE", prepare=False)  # of a role it may be read-only
                connection.execute(limits(LOCK_WAIT_SECONDS).encode(), prepare=False)
                written = connection.execute(statement.encode(), row).rowcount
    except refusals as error:
        state = sqlstate_of(error)
        if state == UNDEFINED_TABLE or f"no such table: {where}.{TABLE}" in str(error):
            raise missing_table(TABLE) from None
        raise TrailError(driver_message(error), reason="not_permitted" if state == NOT_PERMITTED else None) from None
    if written != 1:
        raise write_discarded(TABLE)
