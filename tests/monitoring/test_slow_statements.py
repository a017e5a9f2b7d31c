"""Slow statements from pg_stat_statements: counted where the server has it, else absent with the reason."""

from contextlib import closing

import psycopg
import pytest

from kms_schema.monitoring import Snapshot, take_snapshot
from kms_schema.monitoring.names import COLLECTOR_SKIPPED
from support.engines import Engines
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.login_roles import login
from support.statements import execute

PRELOADED = ("--set", "shared_preload_libraries=pg_stat_statements")


def skipped(snapshot: Snapshot) -> list[str]:
    assert "kms_slow_statements" not in snapshot.by_name
    assert snapshot.value("kms_collector_success", "statements") is None
    return [each.labels[1] for each in snapshot.by_name[COLLECTOR_SKIPPED]]


def slow(connection: Connection) -> float | None:
    snapshot = take_snapshot(connection)
    assert snapshot.failures() == {}
    return snapshot.value("kms_slow_statements")


@pytest.mark.full
def test_slow_statements_of_this_database_are_counted(engines: Engines) -> None:
    """A server of its own: the library is loaded when the server starts."""
    del engines
    with closing(PostgresqlEngine("postgresql-17", find_programs(17), PRELOADED)) as engine:
        database = engine.create()
        database.alembic("upgrade", "head")
        with closing(database.connect()) as owner:
            assert skipped(take_snapshot(owner)) == ["the extension pg_stat_statements is not in this database"]
            execute(owner, "CREATE SCHEMA statistics; CREATE EXTENSION pg_stat_statements SCHEMA statistics")
            execute(owner, "SELECT statistics.pg_stat_statements_reset(); SELECT pg_sleep(0.06)")
            before = slow(owner)
            execute(owner, "SELECT pg_sleep(0.06), 2")
            assert before is not None
            assert slow(owner) == before + 1 >= 2
            slowest = take_snapshot(owner).value("kms_slowest_statement_average_seconds")
            assert slowest is not None
            assert 0.06 <= slowest < 10
            grants = ("SELECT ON ALL TABLES IN SCHEMA public", "USAGE ON SCHEMA statistics")
            with login(database, *grants) as seen, closing(seen.connect()) as reader:
                assert isinstance(reader, psycopg.Connection)
                assert skipped(take_snapshot(reader)) == ["the role is no member of pg_read_all_stats"]
