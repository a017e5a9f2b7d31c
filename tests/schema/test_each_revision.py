"""An upgrade may stop at any revision: no trigger or view of one needs an object of a later one.

SQLite looks for what a trigger names when a statement fires it. `test_plpgsql_check` has PostgreSQL's functions.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from kms_schema import snapshots
from support.engines.database import Database

pytestmark = pytest.mark.only_on("sqlite")


READS = ('SELECT * FROM "{name}"',)
WRITES = ('INSERT INTO "{name}" DEFAULT VALUES', 'UPDATE "{name}" SET {same}', 'DELETE FROM "{name}"')


def faults(connection: sqlite3.Connection) -> list[str]:
    """Return why statements on tables and views do not compile, which fires no trigger but reads each."""
    found = []
    listed = connection.execute("SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    for kind, name in listed:
        columns = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
        same = ", ".join(f'"{column}" = "{column}"' for column in columns)
        is_written = kind == "table" and not name.startswith("sqlite_")
        for template in READS + WRITES * is_written:
            statement = template.format(name=name, same=same)
            try:
                connection.execute(f"EXPLAIN {statement}")
            except sqlite3.Error as error:
                found.append(f"{statement}: {error}")
    return found


@pytest.mark.parametrize("revision", snapshots.chain())
def test_every_statement_compiles(database_at: Callable[[str], Database], revision: str) -> None:
    with closing(database_at(revision).connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        assert faults(connection) == []


def test_a_trigger_that_lacks_a_table_is_found(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("DROP TABLE key_audit_actor")
        lacks = "no such table: main.key_audit_actor"
        assert f'INSERT INTO "key_audit_retention_policies" DEFAULT VALUES: {lacks}' in faults(connection)
