"""A trail goes on where its database is copied to: nothing is lost or sealed twice, and old checkpoints hold."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.audit.trails import checkpoint_of, is_whole, seal_all, verified, write
from tests.engines import Database
from tests.engines.postgresql import PostgresqlEngine
from tests.engines.programs import WHEEL_MAJOR, find_programs
from tests.guards_off import guards_off
from tests.statements import execute

SECONDS = 20
PROGRAMS = find_programs(WHEEL_MAJOR)


@pytest.fixture(scope="module")
def elsewhere(engine_name: str) -> Iterator[PostgresqlEngine]:
    """Another cluster, whose transaction ids begin anew."""
    with closing(PostgresqlEngine(engine_name, PROGRAMS)) as engine:
        yield engine


def program(name: str, *arguments: str, options: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAMS.folder / name), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGOPTIONS": options},
    )


def plain(database: Database) -> str:
    return database.url.replace("+psycopg", "")


@pytest.mark.only_on("postgresql-18")
def test_a_restored_dump_goes_on_with_gaps_that_were_open(
    database: Database, elsewhere: PostgresqlEngine, tmp_path: Path
) -> None:
    dump = str(tmp_path / "dump")
    with (
        closing(database.connect()) as one,
        closing(database.connect()) as committed,
        closing(database.connect()) as rolled_back,
        closing(database.connect()) as later,
    ):
        for slow in (committed, rolled_back, later):
            execute(slow, "BEGIN")
            write(slow, 2)
        write(one, 3)
        seals = seal_all(one)
        write(one, 1)
        seals += seal_all(one)
        assert seals[-1].open_gaps != ()
        execute(committed, "COMMIT")
        execute(rolled_back, "ROLLBACK")
        assert program("pg_dump", "-Fc", "-f", dump, plain(database)).returncode == 0
        execute(later, "COMMIT")  # after the dump: it is not in the copy, and a gap there for ever
    copy = elsewhere.create()
    restored = program("pg_restore", "-d", plain(copy), dump)
    assert restored.returncode == 0, restored.stderr
    with closing(copy.connect()) as connection:
        assert verified(connection).unsealed == 2
        for _ in "what was left", "what that has left open":
            write(connection, 1)
            seals += seal_all(connection)
        assert seals[-1].open_gaps == ()
        assert seals[-1].system_identifier != seals[0].system_identifier
    is_whole(copy, tuple(map(checkpoint_of, seals)))


@pytest.mark.only_on("postgresql-18")
def test_data_alone_comes_back_in_a_restore_only(
    database: Database, elsewhere: PostgresqlEngine, tmp_path: Path
) -> None:
    dump = str(tmp_path / "dump")
    with closing(database.connect()) as connection:
        write(connection, 300)
        seals = seal_all(connection, batch=200)
    arguments = ("--data-only", "--table=key_audit_*", "-Fc", "-f", dump, plain(database))
    assert program("pg_dump", *arguments).returncode == 0
    copy = elsewhere.create()
    copy.alembic("upgrade", "head")
    into = ("--single-transaction", "-d", plain(copy), dump)
    refused = program("pg_restore", *into)
    assert refused.returncode != 0
    assert "kms.restore = on" in refused.stderr
    with closing(copy.connect()) as connection, guards_off(connection):
        execute(connection, "DELETE FROM key_audit_logs")  # the migration's own entry, which has the first number
    restored = program("pg_restore", *into, options="-c kms.restore=on")
    assert restored.returncode == 0, restored.stderr
    with closing(copy.connect()) as connection:
        write(connection, 1)
        seals += seal_all(connection)
    is_whole(copy, tuple(map(checkpoint_of, seals)))


@pytest.mark.only_on("postgresql-18")
def test_a_promoted_standby_goes_on(elsewhere: PostgresqlEngine) -> None:
    database = elsewhere.create()
    database.alembic("upgrade", "head")
    with closing(database.connect()) as one, closing(database.connect()) as slow:
        execute(one, "SET synchronous_commit = on")
        execute(slow, "BEGIN")
        write(slow, 1)
        write(one, 2)
        seals = seal_all(one)
        assert seals[-1].open_gaps != ()
        source = elsewhere.url.set(drivername="postgresql").render_as_string()
        with closing(PostgresqlEngine(elsewhere.name, PROGRAMS, ("--standby-of", source))) as standby:
            url = standby.url.set(database=database.name).render_as_string()
            copy = Database(database.engine_name, "postgresql", url)
            with closing(copy.connect()) as connection:
                assert verified(connection).faults == []
                with pytest.raises(psycopg.errors.FeatureNotSupported, match="during recovery"):
                    seal_all(connection)
                execute(connection, "SELECT pg_promote()")
                deadline = time.monotonic() + SECONDS
                while execute(connection, "SELECT pg_is_in_recovery()").fetchone() != (False,):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                for _ in "what is new", "what that has left open":
                    write(connection, 1)
                    seals += seal_all(connection)
                assert seals[-1].open_gaps == ()
            is_whole(copy, tuple(map(checkpoint_of, seals)))


@pytest.mark.only_on("sqlite")
def test_a_copied_file_goes_on(database: Database, tmp_path: Path) -> None:
    copy = Database(database.engine_name, "sqlite", f"sqlite:///{tmp_path / 'copy.db'}")
    with closing(database.connect()) as connection, closing(copy.connect()) as target:
        assert isinstance(connection, sqlite3.Connection)
        assert isinstance(target, sqlite3.Connection)
        write(connection, 3)
        seals = seal_all(connection)
        write(connection, 2)
        connection.backup(target)
        assert verified(target).unsealed == 2
        seals += seal_all(target)
    is_whole(copy, tuple(map(checkpoint_of, seals)))
