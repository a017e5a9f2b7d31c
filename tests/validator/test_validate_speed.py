"""What makes the validator quick, by what can be counted: modules, statements, and rows that the server reads.

Timings are for `scripts/benchmark.py`: they depend on the machine.
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from typing import Any

import psycopg
import pytest

from kms_schema import validate
from kms_schema.validator.catalog import postgresql_reader
from support.engines import Database
from support.statements import execute
from support.unmanaged_objects import add_foreign_tables

OTHERS_DATABASES = {"sqlite": {"psycopg"}, "postgresql": set[str]()}
FOR_DIFFERENCES = {"remediation", "formats.changed_lines"}
FOR_OPTIONS = {"checks.rows", "waivers", "probe", "formats.github", "formats.html", "formats.json", "formats.junit"}
NOT_NEEDED = {f"kms_schema.validator.{name}" for name in FOR_DIFFERENCES | FOR_OPTIONS} | {
    "sqlalchemy", "alembic", "kms_schema.models", "kms_schema.migrate.lock", "kms_schema.sql",
    "kms_schema.pytest_plugin", "asyncpg", "configparser", "difflib", "html", "tomllib", "xml",
}  # fmt: skip


@pytest.fixture
def foreign(pytestconfig: pytest.Config) -> int:
    """How many tables the host has."""
    return int(pytestconfig.getoption("--foreign-tables"))


def modules_after(*arguments: str) -> set[str]:
    """Run `kms-schema ARGUMENTS` in a process of its own; return what that had imported when it was done."""
    program = "import sys; from kms_schema.cli import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert "no drift" in done.stdout, done.stdout
    return set(done.stderr.splitlines()[-1].split())


def test_a_database_without_differences_costs_no_import_that_it_does_not_need(database: Database) -> None:
    assert all(find_spec(name) for name in NOT_NEEDED if name.startswith("kms_schema."))
    loaded = modules_after("validate", "--database-url", database.url)
    assert loaded & (NOT_NEEDED | OTHERS_DATABASES[database.dialect]) == set()
    assert "kms_schema.validator.diff.compare" in loaded


class Recording(psycopg.Cursor[Any]):
    """A cursor that remembers what it was asked."""

    asked: list[tuple[bytes, Any]]

    def execute(self, query: Any, params: Any = None, **options: Any) -> "Recording":
        type(self).scope.append((query if isinstance(query, bytes) else query.encode(), params))
        return super().execute(query, params, **options)


def asked_of_postgresql(connection: psycopg.Connection[Any]) -> list[tuple[bytes, Any]]:
    """Validate; return the statements and their parameters."""
    Recording.scope = []
    connection.cursor_factory = Recording
    try:
        assert not validate(connection).fails()
    finally:
        connection.cursor_factory = psycopg.Cursor
    return Recording.scope


@pytest.mark.only_on("sqlite")
def test_the_number_of_statements_does_not_depend_on_what_else_a_file_has(database: Database, foreign: int) -> None:
    def asked() -> list[str]:
        statements: list[str] = []
        with closing(database.connect()) as connection:
            assert isinstance(connection, sqlite3.Connection)
            connection.set_trace_callback(statements.append)
            assert not validate(connection).fails()
        return [statement for statement in statements if not statement.startswith("--")]  # which SQLite asks itself

    before = asked()
    add_foreign_tables(database, foreign)
    assert asked() == before
    assert len(before) < 3 * 16 + 8  # three for each of our tables and views, and a handful


def plan(
    connection: psycopg.Connection[Any], statement: bytes, parameters: Any, *, by_index: bool = False
) -> dict[str, Any]:
    """Run a statement as the validator does; return its plan, with what was read at each node."""
    with postgresql_reader.reading(connection, "public") as reader:
        cursor = reader._cursor
        if by_index:
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
        ((document,),) = cursor.fetchall()
    (root,) = document if isinstance(document, list) else json.loads(document)
    return dict(root["Plan"])


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from nodes(below)


def rows_read(root: dict[str, Any]) -> float:
    """Return how many rows of catalog tables were looked at, those that a filter threw away included."""
    scans: Sequence[dict[str, Any]] = [node for node in nodes(root) if "Relation Name" in node]
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        + node.get("Rows Removed by Index Recheck", 0)
        for node in scans
    )


def most_rows(root: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the three nodes that went through most rows, to be shown."""
    went_through = [
        (node["Actual Rows"] * node["Actual Loops"], node["Node Type"], node.get("Relation Name", ""))
        for node in nodes(root)
    ]
    return sorted(went_through, reverse=True)[:3]


@pytest.mark.only_on("postgresql")
def test_foreign_tables_are_neither_asked_for_nor_read(database: Database, foreign: int) -> None:
    """A small catalog the server may read whole; in a large one it must find its way from our names, with statistics
    and without.
    """
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        statements = asked_of_postgresql(connection)
        assert len(statements) < 12
        queries = [(query, given) for query, given in statements if given is not None]
        needed = [rows_read(plan(connection, *each, by_index=True)) for each in queries]
        add_foreign_tables(database, foreign)
        for _analyzed in (False, True):
            assert asked_of_postgresql(connection) == statements
            for (query, given), rows in zip(queries, needed, strict=True):
                root = plan(connection, query, given)
                assert rows_read(root) < rows * 1.5 + foreign / 10, f"{query[:60].decode()}: {most_rows(root)}"
            execute(connection, "ANALYZE")
