"""Revision 003 indexes the host application's own `audit_logs`, as far as it is there."""

from contextlib import closing

import pytest
from alembic.util import CommandError

from support.catalog import catalog, differences
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute
from tests.migrations.host_indexes import WANTED, indexed

WHOLE = ("action_type", "user_id", "status", "timestamp")
OWN_INDEX = ("user_id",)


def make_host_table(connection: Connection, columns: tuple[str, ...]) -> None:
    listed = ", ".join(f'"{column}" varchar(40)' for column in columns)
    execute(connection, f"CREATE TABLE audit_logs (id integer PRIMARY KEY, {listed})")
    execute(connection, f"CREATE INDEX ix_own ON audit_logs ({', '.join(OWN_INDEX)})")


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


COLUMNS = "timestamp timestamptz, status varchar(40), user_id varchar(40), action_type varchar(40)"
OTHER_KINDS = {
    "a view": "CREATE VIEW audit_logs AS SELECT 1 AS timestamp, 2 AS status, 3 AS user_id, 4 AS action_type",
    "partitioned": f"CREATE TABLE audit_logs ({COLUMNS}) PARTITION BY RANGE (timestamp)",
    "a virtual table": "CREATE VIRTUAL TABLE audit_logs USING fts5 (timestamp, status, user_id, action_type)",
}


@pytest.mark.parametrize(
    "kind",
    [
        "a view",
        pytest.param("partitioned", marks=pytest.mark.only_on("postgresql")),
        pytest.param("a virtual table", marks=pytest.mark.only_on("sqlite")),
    ],
)
def test_what_cannot_be_indexed_beside_clients_is_left_as_it_is(
    empty_database: Database, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, OTHER_KINDS[kind])
        before = catalog(connection)
        empty_database.alembic("upgrade", "head")
        assert f"audit_logs is {kind}: nothing is indexed" in capsys.readouterr().err
        if empty_database.dialect == "postgresql":
            script = empty_database.alembic("upgrade", "003", "--sql")
            execute(connection, script.partition("DO $$")[2].partition("$$")[0].join(("DO $$", "$$")))
        empty_database.alembic("downgrade", "base")
        changes = differences(before, catalog(connection))
        assert [name for name in changes if "alembic_version" not in name] == []


@pytest.mark.only_on("postgresql-18")
def test_a_column_that_is_computed_when_it_is_read_is_left_out(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(
            connection,
            "CREATE TABLE audit_logs (timestamp timestamptz, status text GENERATED ALWAYS AS ('x'::text) VIRTUAL)",
        )
        empty_database.alembic("upgrade", "003")
        assert indexed(connection) == {("timestamp",)}


def test_an_index_of_the_host_under_the_name_of_ours_is_not_taken_for_it(empty_database: Database) -> None:
    """The upgrade would lack its own, and the downgrade would drop the host's."""
    name = "idx_key_versions_lifecycle"
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE host (number integer)")
        execute(connection, f"CREATE INDEX {name} ON host (number)")
        with pytest.raises(CommandError, match=f"{name} already exists, and is not an index of .*key_versions"):
            empty_database.alembic("upgrade", "head")
        empty_database.alembic("downgrade", "base")
        execute(connection, f"DROP INDEX {name}")
        empty_database.alembic("upgrade", "head")
