"""The SQL of a fix keeps rows, values and numbers, whichever other drifts there are, on SQLite, and of policies."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from kms_schema.validator.diff.findings import MANUAL_ACTION
from kms_schema.validator.host.comparison import snapshot_of, validate_host
from kms_schema.validator.host.scope import Scope
from kms_schema.validator.host.snapshots import SnapshotError
from support.engines import Database
from support.engines.database import Connection
from tests.validator.host.shop import run

Rows = list[tuple[object, ...]]


@pytest.fixture
def connection(empty_database: Database) -> Iterator[Connection]:
    with closing(empty_database.connect()) as opened:
        yield opened


def fix_all(connection: Connection, base: str, drift: str, rounds: int = 2) -> tuple[Connection, list[str]]:
    """Make the base, snapshot it, drift, and run the fixes in order, a failing one too; return what is left."""
    run(connection, base)
    expected = snapshot_of(connection, Scope())
    run(connection, drift)
    for _ in range(rounds):
        for finding in validate_host(connection, [expected], Scope()).findings:
            try:
                run(connection, str(finding.remediation))
            except sqlite3.Error:
                with suppress(sqlite3.Error):
                    run(connection, "ROLLBACK")
                run(connection, "PRAGMA legacy_alter_table = off")
    return connection, [each.object for each in validate_host(connection, [expected], Scope()).findings]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("base", "drift", "rows"),
    [
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a int, b text); INSERT INTO t VALUES (1, 42, '7')",
            "ALTER TABLE t RENAME a TO aa; ALTER TABLE t RENAME b TO bb",
            [(1, 42, "7")],
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a int, b int, CHECK (b > 0)); INSERT INTO t VALUES (1, 42, 7)",
            "CREATE TABLE u (id INTEGER PRIMARY KEY, aa int, b int); INSERT INTO u SELECT * FROM t; DROP TABLE t;"
            " ALTER TABLE u RENAME TO t",
            [(1, 42, 7)],
        ),
        (
            "CREATE TABLE t (a int, UNIQUE (a) ON CONFLICT IGNORE)",
            "DROP TABLE t; CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)",
            [(1,), (1,)],
        ),
    ],
)
def test_no_value_is_lost_in_a_rebuilt_table(base: str, drift: str, rows: Rows, connection: Connection) -> None:
    fix_all(connection, base, drift)
    assert connection.execute("SELECT * FROM t").fetchall() == rows


@pytest.mark.only_on("sqlite")
def test_an_unexpected_column_goes_by_its_own_fix_only(connection: Connection) -> None:
    run(connection, "CREATE TABLE t (a int, CHECK (a > 0))")
    expected = snapshot_of(connection, Scope())
    run(connection, "DROP TABLE t; CREATE TABLE t (a int, precious text); INSERT INTO t VALUES (1, 'x')")
    findings = {each.code: each for each in validate_host(connection, [expected], Scope()).findings}
    assert sorted(findings) == ["KMS112", "KMS121"]
    run(connection, str(findings["KMS121"].remediation))
    assert [row[1] for row in connection.execute("PRAGMA table_info(t)")] == ["a", "precious"]
    assert connection.execute("SELECT a, precious FROM t").fetchall() == [(1, "x")]
    [left] = validate_host(connection, [expected], Scope()).findings
    assert left.code == "KMS112"


def test_a_column_that_may_have_been_renamed_is_not_dropped(connection: Connection) -> None:
    run(connection, "CREATE TABLE t (id int, a int, b int)")
    expected = snapshot_of(connection, Scope())
    run(connection, "ALTER TABLE t RENAME a TO aa; ALTER TABLE t RENAME b TO bb; INSERT INTO t VALUES (1, 2, 3)")
    findings = validate_host(connection, [expected], Scope()).findings
    assert sorted(each.code for each in findings) == ["KMS111", "KMS111", "KMS112", "KMS112"]
    assert all(str(each.remediation).startswith(MANUAL_ACTION) for each in findings)


@pytest.mark.only_on("sqlite")
def test_the_last_number_stays(connection: Connection) -> None:
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x int{})"
    rows = "INSERT INTO t (x) VALUES (1), (2), (3)"
    drift = f"DROP TABLE t; {table.format('')}; {rows}; DELETE FROM t"  # noqa: S608
    _, left = fix_all(connection, f"{table.format(', CHECK (x > 0)')}; {rows}", drift)
    assert left == []
    assert connection.execute("INSERT INTO t (x) VALUES (9) RETURNING id").fetchone() == (4,)


@pytest.mark.only_on("sqlite")
def test_a_changed_virtual_table_has_a_manual_action(connection: Connection) -> None:
    run(connection, "CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'porter')")
    expected = snapshot_of(connection, Scope())
    run(connection, "DROP TABLE t; CREATE VIRTUAL TABLE t USING fts5(x)")
    fixes = [str(each.remediation) for each in validate_host(connection, [expected], Scope()).findings]
    assert fixes
    assert all(each.startswith(MANUAL_ACTION) for each in fixes)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("drift", ["DROP SEQUENCE numbers CASCADE", "CREATE SEQUENCE others"])
def test_a_sequence_of_no_column_does_not_begin_again(drift: str, connection: Connection) -> None:
    run(connection, "CREATE SEQUENCE numbers; CREATE TABLE t (id int DEFAULT nextval('numbers'))")
    expected = snapshot_of(connection, Scope())
    run(connection, drift)
    findings = [each for each in validate_host(connection, [expected], Scope()).findings if "sequence" in each.object]
    assert [str(each.remediation).startswith(MANUAL_ACTION) for each in findings] == [True]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("base", "drift"),
    [
        ("CREATE POLICY p ON t AS RESTRICTIVE FOR SELECT USING (a > 1)", "DROP POLICY p ON t"),
        ("CREATE POLICY p ON t AS RESTRICTIVE FOR SELECT USING (a > 1)", "DROP POLICY p ON t; CREATE POLICY p ON t"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = '' AS 'SELECT 1'", "DROP FUNCTION f()"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a, \"B c\" AS 'SELECT 1'",
            "DROP FUNCTION f()",
        ),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 5) NOT VALID", "ALTER TABLE t DROP CONSTRAINT c"),
        ('CREATE STATISTICS "S.x" ON a, b FROM t; COMMENT ON STATISTICS "S.x" IS \'q\'', 'DROP STATISTICS "S.x"'),
    ],
)
def test_an_object_is_created_again_as_it_was(base: str, drift: str, connection: Connection) -> None:
    table = "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1);"
    assert fix_all(connection, f"{table} {base}", drift, rounds=1)[1] == []


@pytest.mark.only_on("postgresql")
def test_a_file_without_a_schema_is_refused(connection: Connection) -> None:
    expected = snapshot_of(connection, Scope())
    run(connection, "CREATE SCHEMA other")
    with pytest.raises(ValueError, match="has no schema 'other': it has public"):
        validate_host(connection, [expected], Scope(("public", "other")))


def test_attributes_that_no_program_writes_are_refused(connection: Connection) -> None:
    run(connection, "CREATE TABLE t (a int)")
    expected = snapshot_of(connection, Scope())
    run(connection, "DROP TABLE t")
    schema, objects = next(iter(expected.schemas.items()))
    for wrong in ({"needs": 5}, {"grants": 5}, {"columns": 5}):
        damaged = replace(expected, schemas={schema: {key: {**each, **wrong} for key, each in objects.items()}})
        with suppress(SnapshotError):
            validate_host(connection, [damaged], Scope())
