"""What newer minor releases of PostgreSQL note about each column is theirs, and no difference."""

from contextlib import closing

import pytest

from support.engines import Database
from support.engines.database import Connection
from support.reports import found, report_on
from support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("all")]


def note(connection: Connection, *options: str, column: str = "") -> None:
    """Write what PostgreSQL 15.20 and 17.12 write into the options of a column; without its name, of every column."""
    names = f"AND attname = '{column}'" if column else ""
    before = "" if column else "coalesce(attoptions, '{}') || "
    execute(
        connection,
        f"UPDATE pg_attribute SET attoptions = {before}'{{{','.join(options)}}}' FROM pg_class c"  # noqa: S608
        f" WHERE attrelid = c.oid AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm') {names}",
    )


def test_a_column_has_no_options_but_those_that_somebody_set(database: Database) -> None:
    with closing(database.connect()) as connection:
        note(connection, "pg_attver=22025080")
        assert found(report_on(database)) == []
        note(connection, "pg_attver=22025080", "n_distinct=5", column="health_score")
        note(connection, "n_distinct=5", "pg_attver=22025080", column="derivation_path")
    seen = {finding.object: finding.actual for finding in report_on(database).findings}
    assert seen["column key_masters.derivation_path"] == "n_distinct=5"
    assert seen["materialized view key_health_monitor"] == "health_score (n_distinct=5)"
