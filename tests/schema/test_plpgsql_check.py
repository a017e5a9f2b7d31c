"""No function of the schema has a fault that would show only when it runs, as plpgsql_check sees it.

The server is one of the tests' own, whatever engines were chosen: the extension is packed for few versions.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from kms_schema import snapshots
from support.engines import EngineUnavailableError
from support.engines.database import Connection
from support.engines.plpgsql_check import start_with_plpgsql_check
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import REPOSITORY

pytestmark = pytest.mark.versions("all")

SQL = REPOSITORY / "kms_schema" / "sql" / "postgresql"
IN_PLPGSQL = "\nLANGUAGE plpgsql"

FUNCTIONS_AND_TABLES = """
    SELECT DISTINCT
        function.oid::regprocedure::text, coalesce(trigger.tgrelid, 0)::regclass::text,
        coalesce(trigger.tgoldtable::text, ''), coalesce(trigger.tgnewtable::text, '')
    FROM pg_proc AS function
    JOIN pg_language AS language ON language.oid = function.prolang AND language.lanname = 'plpgsql'
    LEFT JOIN pg_trigger AS trigger ON trigger.tgfoid = function.oid
    WHERE function.pronamespace = 'public'::regnamespace
    ORDER BY 1, 2
"""
CHECK = """
    SELECT level, concat_ws('; ', message, detail, context)
    FROM lint.plpgsql_check_function_tb(
        %s::regprocedure, %s::regclass, oldtable => nullif(%s, '')::name, newtable => nullif(%s, '')::name,
        fatal_errors => false, other_warnings => true, extra_warnings => true,
        performance_warnings => true, security_warnings => true, compatibility_warnings => true
    )
"""


@dataclass(frozen=True)
class Finding:
    """A finding of plpgsql_check about a function, as a trigger of `table` if it is one."""

    function: str
    table: str
    level: str
    said: str


@dataclass(frozen=True)
class Accepted:
    """Findings that are meant, of one function; `reason` says why."""

    function: str
    level: str
    said: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        return (self.function, self.level) == (finding.function, finding.level) and self.said in finding.said


ACCEPTED = (
    *(
        Accepted(
            function,
            "warning",
            'cast "text" value to "jsonb" type; during statement block local variable "lifecycle" initialization',
            "the table of transitions is a literal in the function, which makes JSON of it by reading its text",
        )
        for function in ("enforce_key_lifecycle_consistency()", "enforce_key_rotation_lifecycle()")
    ),
    Accepted(
        "validate_key_master_parent()",
        "performance",
        'cast "character varying" value to "text" type',
        "the two are stored alike, so nothing is converted",
    ),
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlEngine]:
    """A server that has plpgsql_check."""
    try:
        started = start_with_plpgsql_check()
    except EngineUnavailableError as error:
        pytest.fail(str(error), pytrace=False)
    with closing(started):
        yield started


@contextmanager
def connected(server: PostgresqlEngine, revision: str) -> Iterator[Connection]:
    """Connect to a new database at a revision, with plpgsql_check in a schema of its own."""
    database = server.create()
    database.alembic("upgrade", revision)
    with closing(database.connect()) as opened:
        opened.execute("CREATE SCHEMA lint")
        opened.execute("CREATE EXTENSION plpgsql_check SCHEMA lint")
        yield opened


@pytest.fixture(scope="module")
def connection(server: PostgresqlEngine) -> Iterator[Connection]:
    """A connection to a migrated database that has plpgsql_check."""
    with connected(server, "head") as opened:
        yield opened


def functions_and_tables(connection: Connection) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(FUNCTIONS_AND_TABLES).fetchall()]


def findings(connection: Connection) -> list[Finding]:
    """Return what is found in all functions, before anything is accepted."""
    return [
        Finding(function, table, *row)
        for function, table, *transition_tables in connection.execute(FUNCTIONS_AND_TABLES).fetchall()
        for row in connection.execute(CHECK, (function, table, *transition_tables)).fetchall()
    ]


def not_accepted(connection: Connection) -> list[Finding]:
    return [found for found in findings(connection) if not any(accepted.covers(found) for accepted in ACCEPTED)]


def test_every_function_is_checked(connection: Connection) -> None:
    """Trigger functions are checked for each of their tables, since `NEW` has different columns."""
    texts = [file.read_text(encoding="utf-8") for file in SQL.rglob("*.sql")]
    written = {re.findall(r"^CREATE FUNCTION \S+\.(\w+)", text, re.M)[0] for text in texts if IN_PLPGSQL in text}
    checked = functions_and_tables(connection)
    assert {function.partition("(")[0] for function, _ in checked} == written
    assert len(written) > 20
    assert ("protect_row_identity()", "key_masters") in checked
    assert ("protect_row_identity()", "key_versions") in checked


def test_no_function_has_a_fault(connection: Connection) -> None:
    assert not_accepted(connection) == []


@pytest.mark.parametrize("revision", snapshots.chain()[:-1])
def test_no_function_needs_a_later_revision(server: PostgresqlEngine, revision: str) -> None:
    """As the triggers of 006 once needed a table of 007: `test_each_revision` has those of SQLite."""
    with connected(server, revision) as connection:
        assert [each for each in findings(connection) if each.level == "error"] == []


@pytest.mark.parametrize("accepted", ACCEPTED, ids=lambda accepted: f"{accepted.function} {accepted.level}")
def test_every_accepted_warning_occurs(connection: Connection, accepted: Accepted) -> None:
    assert accepted.reason
    assert any(accepted.covers(found) for found in findings(connection))


def test_a_function_that_reads_a_missing_column_is_found(connection: Connection) -> None:
    assert isinstance(connection, psycopg.Connection)
    with connection.transaction(force_rollback=True):
        connection.execute("ALTER TABLE key_versions RENAME COLUMN destroyed_at TO destroyed")
        found = {finding.function for finding in not_accepted(connection) if finding.level == "error"}
    assert {"validate_key_version_chronology()", "prevent_key_version_destruction()"} <= found
    assert not_accepted(connection) == []
