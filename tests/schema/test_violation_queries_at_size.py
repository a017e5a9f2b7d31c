"""The queries for rows that break a rule of 005, and about envelopes: they look at each row a few times, and no more.

Those of 005 are asked once more under locks, so one that compared each row with each other row would hold everybody up.
Rows and instructions are counted, not seconds. PostgreSQL's statistics are there, are gone, or say that the tables are
empty, as they do just after a restore.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kms_schema.sql.violations import query, rule_of
from kms_schema.validator.checks.envelopes import WANTED, envelope_queries
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute
from support.violations.violation import revision

TABLES = ("key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations", "key_audit_logs")
NODES_FOR_EACH_ROW = 20
"""How many nodes of a plan a row may go through: about twice as many as there are now at most."""
INSTRUCTIONS_FOR_EACH_ROW = 100
"""Of SQLite's virtual machine: about three times as many as there are now at most."""

LOST = (
    "DELETE FROM pg_statistic WHERE starelid = ANY (ARRAY['key_masters', 'key_versions', 'key_audit_logs']::regclass[])"
)
STATISTICS = {
    "statistics": (),
    "no-statistics": (LOST,),
    "statistics-of-empty-tables": (
        LOST,
        "UPDATE pg_class SET reltuples = 0, relpages = 0 WHERE relnamespace = 'public'::regnamespace",
    ),
}


def named(asked: str) -> str:
    return rule_of(asked) or asked


EACH_QUERY = pytest.mark.parametrize("asked", [*revision().VIOLATIONS["postgresql"], *WANTED], ids=named)
EACH_QUERY_OF_SQLITE = pytest.mark.parametrize("asked", [*revision().VIOLATIONS["sqlite"], *WANTED], ids=named)


def text_of(asked: str, dialect: str) -> str:
    """Return the query of a file, or of a code about envelopes."""
    of_envelopes = {code: text for code, _, text, _ in envelope_queries(dialect, "public")}
    return of_envelopes.get(asked) or query(dialect, asked)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def visited(plan: dict[str, Any]) -> float:
    """Return how many rows all nodes together have had in their hands."""
    kept_and_removed = (
        "Actual Rows",
        *(f"Rows Removed by {what}" for what in ("Filter", "Join Filter", "Index Recheck")),
    )
    return float(sum(node.get(each, 0) * node["Actual Loops"] for node in nodes(plan) for each in kept_and_removed))


def rows_of(connection: Connection, tables: tuple[str, ...]) -> int:
    counts = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
    return int(execute(connection, f"SELECT {counts}").fetchone()[0])


def read_by(text: str) -> tuple[str, ...]:
    return tuple(table for table in TABLES if re.search(rf"\.{table}\b(?!\.)", text))


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("statistics", list(STATISTICS))
@EACH_QUERY
def test_a_query_of_postgresql_looks_at_each_row_a_few_times(large: Database, asked: str, statistics: str) -> None:
    text = text_of(asked, "postgresql")
    with closing(large.connect()) as connection:
        execute(connection, "SET statement_timeout = '20s'")
        execute(connection, "BEGIN")
        for statement in STATISTICS[statistics]:
            execute(connection, statement)
        ((plan,),) = execute(connection, f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {text}").fetchall()
        execute(connection, "ROLLBACK")
        assert visited(plan[0]["Plan"]) <= NODES_FOR_EACH_ROW * (1000 + rows_of(connection, read_by(text)))


@pytest.mark.only_on("sqlite")
@EACH_QUERY_OF_SQLITE
def test_a_query_of_sqlite_looks_at_each_row_a_few_times(large: Database, asked: str) -> None:
    text = text_of(asked, "sqlite")
    with closing(large.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        allowed = INSTRUCTIONS_FOR_EACH_ROW * (1000 + rows_of(connection, read_by(text)))
        hundreds = 0

        def count() -> bool:
            nonlocal hundreds
            hundreds += 1
            return 100 * hundreds > 10 * allowed

        connection.set_progress_handler(count, 100)
        assert connection.execute(text).fetchall() == []
        connection.set_progress_handler(None, 0)
        assert 100 * hundreds <= allowed
