"""Rows that were written at 004 and break what a trigger of 005 demands: the upgrade refuses, and names them.

The other revisions have nothing to refuse: 003 only indexes a table of the host's, which no row can violate, and 004
only makes tables, which are empty when their constraints come into being.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from alembic.util import CommandError

from kms_schema.preflight import preflight
from kms_schema.sql.violations import LISTED, find_violations, script_checks
from support.catalog import catalog, differences
from support.concurrency.statements import kek, master, reparenting
from support.engines import Database, Engine, Engines
from support.engines.database import Connection
from support.rows.long_history import live_a_long_life
from support.rows.population import all_rows, as_it_was, populate
from support.rows.smallest import insert, rotation_policy
from support.rows.usual import usual_rows
from support.shared import SharedDatabase
from support.statements import dialect_of, execute, refused
from support.violations.by_rule import A_VIOLATION_OF_EACH_RULE, EACH_VIOLATION
from support.violations.violation import (
    REVISION,
    Broken,
    Violation,
    foreign_keys_off,
    revision,
    spelled,
    violating,
)
from tests.migrations.scripts import ScriptFailedError, run


@pytest.fixture(scope="module")
def template(engines: Engines, engine_name: str) -> Iterator[Database]:
    """A database at 004 to make copies of."""
    made = engines[engine_name].create()
    made.alembic("upgrade", "004")
    yield made
    engines[engine_name].drop(made)


@pytest.fixture
def unguarded(engine: Engine, template: Database) -> Iterator[Database]:
    """A database at 004 of the test's own."""
    made = engine.create(template)
    yield made
    engine.drop(made)


@pytest.fixture
def connection(unguarded: Database) -> Iterator[Connection]:
    with closing(unguarded.connect()) as opened:
        yield opened


def commit_violation(connection: Connection, violation: Violation) -> Broken:
    broken = violation.make(connection)
    assert violating(connection) == []
    with foreign_keys_off(connection):
        execute(connection, broken.breaking.sql, broken.breaking.parameters)
    return broken


@A_VIOLATION_OF_EACH_RULE
def test_an_upgrade_refuses_and_names_the_rows(
    unguarded: Database, connection: Connection, violation: Violation
) -> None:
    broken = commit_violation(connection, violation)
    before, rows, current = catalog(connection), all_rows(connection), unguarded.alembic("current")
    foreseen = preflight(unguarded.url).problems
    with pytest.raises(CommandError) as caught:
        unguarded.alembic("upgrade", "head")
    assert foreseen == (str(caught.value),)
    first, *told, advice = str(caught.value).splitlines()
    assert f"and nothing was changed: {violation.rule} ({len(broken.rows)})" in first
    assert "run the upgrade again" in advice
    assert len(told) == len(broken.rows)
    for row, name in broken.rows:
        (line,) = (line for line in told if spelled(row["id"], unguarded.dialect) in line.partition(" (")[0])
        assert line.startswith(f"  {violation.rule}: ")
        assert name in line
        assert broken.says in line
    assert differences(before, catalog(connection)) == {}
    assert all_rows(connection) == rows
    assert unguarded.alembic("current") == current
    execute(connection, broken.fixing.sql, broken.fixing.parameters)
    unguarded.alembic("upgrade", REVISION)
    assert violating(connection) == []


@EACH_VIOLATION
def test_the_trigger_refuses_what_the_query_finds(shared: SharedDatabase, violation: Violation) -> None:
    broken = violation.make(shared.connection)
    statement = broken.breaking
    with foreign_keys_off(shared.connection):
        if violation.healed:
            execute(shared.connection, statement.sql, statement.parameters)
        else:
            refused(shared.connection, statement.sql, statement.parameters, rule=violation.refused_by or violation.rule)
    assert violating(shared.connection) == []


def test_what_the_triggers_let_happen_breaks_no_rule(shared: SharedDatabase) -> None:
    populate(shared.connection)
    live_a_long_life(shared.connection)
    assert violating(shared.connection) == []


def test_rows_that_are_in_order_do_not_stop_an_upgrade(unguarded: Database, connection: Connection) -> None:
    populate(connection)
    for operation in usual_rows():
        execute(connection, *operation.statement())
    rows = all_rows(connection)
    unguarded.alembic("upgrade", "head")
    assert as_it_was(rows, all_rows(connection)) == rows
    assert violating(connection) == []


def broken_policies(connection: Connection, number: int) -> None:
    for place in range(number):
        insert(
            connection, "rotation_policies", **rotation_policy(policy_name=f"p{place:04}", rotation_interval_days=None)
        )


def test_of_many_rows_the_first_are_listed_and_all_are_counted(unguarded: Database, connection: Connection) -> None:
    execute(connection, "BEGIN")
    broken_policies(connection, 1000)
    a, b = kek(connection), kek(connection)
    for statement in (reparenting(a, b), reparenting(b, a)):
        execute(connection, statement.sql, statement.parameters)
    execute(connection, "COMMIT")
    with pytest.raises(CommandError) as caught:
        unguarded.alembic("upgrade", "head")
    first, *told, more, _advice = str(caught.value).splitlines()
    assert first == (
        f"1002 rows violate rules of revision {REVISION}, and nothing was changed: "
        "validate_key_master_parent (2), validate_rotation_policy_triggers (1000)"
    )
    policies = [line for line in told if "rotation_policies" in line]
    assert [line.partition("(p")[2][:4] for line in policies] == [f"{place:04}" for place in range(LISTED)]
    assert len(told) == LISTED + 2
    assert more == "  validate_rotation_policy_triggers: 980 more, 1000 in all"


def test_a_row_takes_one_line_whatever_it_is_called(unguarded: Database, connection: Connection) -> None:
    name = "a\nb\x1b[2J"
    insert(connection, "rotation_policies", **rotation_policy(policy_name=name, rotation_interval_days=None))
    with pytest.raises(CommandError) as caught:
        unguarded.alembic("upgrade", "head")
    assert r"(a\nb\x1b[2J)" in str(caught.value).splitlines()[1]


def test_the_script_refuses_as_well_and_leaves_nothing_behind(unguarded: Database, connection: Connection) -> None:
    broken_policies(connection, 2)
    master(connection, parent_key_id=master(connection)["key_id"])
    before, rows = catalog(connection), all_rows(connection)
    script = unguarded.alembic("upgrade", "004:head", "--sql")
    with pytest.raises(ScriptFailedError) as caught:
        run(unguarded, script)
    said = str(caught.value)
    if unguarded.dialect == "sqlite":
        assert said == "CHECK constraint failed: validate_key_master_parent"
    else:
        assert "3 rows violate rules" in said
        assert "validate_key_master_parent (1), validate_rotation_policy_triggers (2)" in said
        assert "(p0000) has nothing that makes a key due" in said
        assert "(p0001) has nothing that makes a key due" in said
    assert differences(before, catalog(connection)) == {}
    assert all_rows(connection) == rows


def run_checks(connection: Connection, printed: list[tuple[str, ...]]) -> None:
    dialect = dialect_of(connection)
    for guard in script_checks(dialect, REVISION, revision().VIOLATIONS[dialect]):
        ran = execute(connection, guard)
        printed += ran.fetchall() if ran.description else []


@pytest.mark.only_on("sqlite")
def test_the_script_prints_the_rows_before_it_stops(connection: Connection) -> None:
    broken_policies(connection, LISTED + 1)
    master(connection, parent_key_id=master(connection)["key_id"])
    printed: list[tuple[str, ...]] = []
    with pytest.raises(sqlite3.IntegrityError, match="validate_key_master_parent"):
        run_checks(connection, printed)
    expected = ["validate_key_master_parent", *["validate_rotation_policy_triggers"] * LISTED]
    assert [row[0] for row in printed] == expected
    assert printed[1][3] == "p0000"
    assert printed[1][4].startswith("has nothing that makes a key due")


@A_VIOLATION_OF_EACH_RULE
def test_the_check_of_a_script_finds_what_the_upgrade_finds(connection: Connection, violation: Violation) -> None:
    commit_violation(connection, violation)
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError), match=violation.rule):
        run_checks(connection, [])


def test_where_there_are_no_tables_no_row_breaks_a_rule(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "003")
    engine = empty_database.engine()
    with engine.connect() as connection:
        assert find_violations(connection, revision().VIOLATIONS[empty_database.dialect]) == []
    engine.dispose()
