"""Revision 003 indexes the host application's own `audit_logs`, as far as it is there."""

from contextlib import closing

import pytest

from tests.support.catalog import catalog, differences
from tests.support.engines import Database
from tests.support.engines.database import Connection
from tests.support.statements import dialect_of, execute

WHOLE = ("action_type", "user_id", "status", "timestamp")
WANTED = {
    ("timestamp",),
    ("action_type", "timestamp"),
    ("user_id", "timestamp"),
    ("status", "timestamp"),
}
OWN_INDEX = ("user_id",)


def make_host_table(connection: Connection, columns: tuple[str, ...]) -> None:
    listed = ", ".join(f'"{column}" varchar(40)' for column in columns)
    execute(connection, f"CREATE TABLE audit_logs (id integer PRIMARY KEY, {listed})")
    execute(connection, f"CREATE INDEX ix_own ON audit_logs ({', '.join(OWN_INDEX)})")


def indexed(connection: Connection) -> set[tuple[str, ...]]:
    """Return the columns of each index of `audit_logs` other than its primary key."""
    if dialect_of(connection) == "sqlite":
        rows = execute(
            connection,
            """SELECT i.name, c.name FROM pragma_index_list('audit_logs') AS i, pragma_index_info(i.name) AS c
            WHERE i.origin = 'c' ORDER BY c.seqno""",
        )
    else:
        rows = execute(
            connection,
            """SELECT indexrelid, attname FROM pg_index JOIN pg_attribute ON attrelid = indexrelid
            WHERE indrelid = 'audit_logs'::regclass AND NOT indisprimary AND indisvalid ORDER BY attnum""",
        )
    columns: dict[object, tuple[str, ...]] = {}
    for index, column in rows:
        columns[index] = (*columns.get(index, ()), column)
    return set(columns.values())


@pytest.mark.parametrize("missing", [None, "action_type", "status", "timestamp"])
def test_every_index_is_built_whose_columns_are_there(empty_database: Database, missing: str | None) -> None:
    columns = tuple(column for column in WHOLE if column != missing)
    with closing(empty_database.connect()) as connection:
        make_host_table(connection, columns)
        before = catalog(connection)
        empty_database.alembic("upgrade", "003")
        assert indexed(connection) == {index for index in WANTED if set(index) <= set(columns)} | {OWN_INDEX}
        empty_database.alembic("downgrade", "base")
        changes = differences(before, catalog(connection))
        assert [name for name in changes if "alembic_version" not in name] == []


def test_an_index_that_is_left_out_is_logged(empty_database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    empty_database.alembic("upgrade", "003")
    assert "there is no table audit_logs" in capsys.readouterr().err
    empty_database.alembic("downgrade", "base")
    with closing(empty_database.connect()) as connection:
        make_host_table(connection, ("user_id", "timestamp"))
    empty_database.alembic("upgrade", "003")
    assert "audit_logs has no column status" in capsys.readouterr().err


def test_indexes_of_the_same_columns_are_the_hosts_own_to_keep(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        make_host_table(connection, WHOLE)
        execute(connection, "CREATE INDEX idx_audit_logs_timestamp ON audit_logs (timestamp)")
        empty_database.alembic("upgrade", "head")
        empty_database.alembic("downgrade", "base")
        assert indexed(connection) == {OWN_INDEX, ("timestamp",)}
