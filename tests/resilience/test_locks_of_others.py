"""Locks that a session without privileges holds, and locks that are held for ever: no command waits without a limit."""

import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kms_schema.audit.formats.keys import write_signing_key
from kms_schema.audit.storage.open import open_trail
from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.rotations.refresh import refresh
from kms_schema.validator.catalog import postgresql_reader
from support.concurrency.many_sessions import line_of_parents, line_of_wrappers
from support.engines import Database
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import REPOSITORY, find_programs
from support.login_roles import login
from support.programs import python
from support.programs.commands import Said, kms_schema
from support.rows.smallest import active_key_master, insert, key_version
from support.statements import execute
from tests.audit.retaining import retaining
from tests.audit.trails import KEY, write

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

SHORT = ("--lock-wait", "0.3")
FORMER_KEYS = """
    SELECT pg_advisory_lock(1802335059, 'key_audit_seals'::regclass::oid::bigint::bit(32)::integer),
        pg_advisory_lock(1802335062, 'key_view_refreshes'::regclass::oid::bigint::bit(32)::integer),
        pg_advisory_lock(('key_masters'::regclass::oid::bigint << 32) | 1),
        pg_advisory_lock(('key_versions'::regclass::oid::bigint << 32) | 1)
"""
"""The advisory locks that kept sealers, refreshes, changes of parents and rewraps apart."""
SECONDS = 30


@pytest.fixture
def stranger(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A session of a role that has CONNECT alone, and holds every advisory lock that a command ever took."""
    with login(database) as role, closing(role.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, FORMER_KEYS)
        execute(connection, f"SELECT pg_advisory_lock({LOCK_KEY})")
        yield connection


def process(connection: psycopg.Connection[Any]) -> str:
    return f"server process {connection.info.backend_pid}, role {connection.info.user}"


def impatient(database: Database, seconds: int = 1) -> str:
    """Return a URL whose sessions fail after so long a wait, where a command would wait for ever."""
    return f"{database.url}?options=-c%20lock_timeout%3D{seconds}s"


def run(database: Database, *command: str) -> Said:
    return kms_schema(*command, url=database.url)


@pytest.mark.usefixtures("stranger")
def test_a_session_with_connect_alone_stops_nothing(database: Database, tmp_path: Path) -> None:
    url = impatient(database)
    assert kms_schema("audit", "seal", url=url).status == 0
    assert kms_schema("refresh", url=url).out.startswith("key_management_dashboard: as of")
    assert kms_schema("audit", "export", str(tmp_path / "archive.jsonl.gz"), url=url).status == 1  # unsigned
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, "SET lock_timeout = '1s'")
        for change in (*line_of_parents(connection), *line_of_wrappers(connection)):
            execute(connection, change.sql, change.parameters)


@pytest.mark.usefixtures("stranger")
def test_a_session_with_connect_alone_prevents_no_verdict(database: Database) -> None:
    with closing(database.connect()) as owner:
        execute(owner, "CREATE INDEX extra ON key_audit_logs (user_id)")
    assert run(database, "validate").status == 1


@pytest.mark.parametrize("command", ["upgrade", "downgrade", "stamp"])
def test_who_holds_the_lock_of_upgrades_is_named(
    database: Database, stranger: psycopg.Connection[Any], command: str
) -> None:
    revision = {"downgrade": "006", "stamp": "007"}.get(command, "head")
    said = run(database, command, revision, *SHORT)
    assert said.status == 3
    assert process(stranger) in said.error
    assert 'page "operations"' in said.error
    assert run(database, "current").out.startswith("007")


@pytest.mark.parametrize("command", ["seal", "retain"])
def test_a_sealer_that_does_not_end_is_named(database: Database, tmp_path: Path, command: str) -> None:
    write_signing_key(tmp_path / "seal.key", KEY)
    words = ["audit", command, "--key", str(tmp_path / "seal.key")]
    with retaining(database) as place, closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        place.write()
        if command == "retain":
            words += ["--archive", str(tmp_path)]
        else:
            write(connection, 1)
        with open_trail(connection).sealing():
            said = kms_schema(*words, *SHORT, url=place.retention.url)
            assert (said.status, said.out) == (3, "")
            assert process(connection) in said.error
            assert "has locked the seals for 0.3 seconds" in said.error
        assert kms_schema(*words, url=place.retention.url).status == 0


def test_a_refresh_that_does_not_end_is_named(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, "BEGIN")
        assert refresh(connection).views
        said = run(database, "refresh", *SHORT)
        assert said.status == 3
        assert process(connection) in said.error
        assert "has been refreshing the views for 0.3 seconds" in said.error
        execute(connection, "COMMIT")
    assert run(database, "refresh", *SHORT).status == 0


@pytest.mark.parametrize("command", ["rotations due", "rotations schedule", "rotations claim --worker w"])
def test_who_has_locked_the_policies_is_named(
    database: Database, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms_schema.cli.openers.LOCK_WAIT_SECONDS", 0.3)
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, "BEGIN")
        execute(connection, "LOCK TABLE rotation_policies IN ACCESS EXCLUSIVE MODE")
        start = time.monotonic()
        said = kms_schema(*command.split(), url=impatient(database, SECONDS // 3))
        assert time.monotonic() - start < SECONDS // 3  # the limit of the command, not that of the session
        assert said.status == 3
        assert f"another session ({process(connection)}" in said.error


@pytest.mark.parametrize("command", ["audit seal --key KEY", "audit export ARCHIVE", "refresh"])
def test_who_has_locked_a_table_is_named(database: Database, tmp_path: Path, command: str) -> None:
    key, archive = str(tmp_path / "seal.key"), str(tmp_path / "archive.gz")
    write_signing_key(tmp_path / "seal.key", KEY)
    assert run(database, "audit", "seal", "--key", key).status == 0
    locked = "rotation_policies" if command == "refresh" else "key_audit_logs"
    words = [{"KEY": key, "ARCHIVE": archive}.get(word, word) for word in command.split()]
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, "BEGIN")
        execute(connection, f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE")
        said = run(database, *words, *SHORT)
        assert said.status == 3
        assert f"another session ({process(connection)}" in said.error


@contextmanager
def behind_a_reader(database: Database, table: str) -> Iterator[tuple[int, int]]:
    """Have a role with CONNECT alone wait for all of a table behind a reader; give the server processes of both."""
    with (
        login(database) as role, closing(role.connect()) as waiter,
        closing(database.connect()) as reader, closing(database.connect()) as observer,
    ):  # fmt: skip
        assert isinstance(waiter, psycopg.Connection)
        assert isinstance(reader, psycopg.Connection)
        execute(reader, "BEGIN")
        execute(reader, f"SELECT FROM {table} LIMIT 1")
        waiter.pgconn.send_query(f"CREATE RULE r AS ON INSERT TO public.{table} DO INSTEAD NOTHING".encode())
        until(observer, f"SELECT cardinality(pg_blocking_pids({waiter.info.backend_pid}))", lambda count: count == 1)
        try:
            yield reader.info.backend_pid, waiter.info.backend_pid
        finally:
            waiter.cancel()
            while waiter.pgconn.get_result() is not None:
                pass


@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("audit seal --lock-wait 0.3", "key_audit_seals"),
        ("audit list", "key_audit_logs"),
        ("keys create k --type kek --under kms://root", "key_audit_logs"),
        ("keys list", "key_masters"),
        ("rotations due", "rotation_policies"),
        ("refresh --lock-wait 0.3", "key_audit_logs"),
        ("upgrade --lock-timeout-ms 200 --lock-wait 1", "key_masters"),
        ("downgrade 006 --lock-timeout-ms 200", "key_masters"),
        ("preflight", "key_masters"),
        ("validate", "key_masters"),
    ],
)
def test_who_reads_and_who_waits_for_the_lock_behind_it_are_named(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, table: str
) -> None:
    for module in ("connections", "openers"):
        monkeypatch.setattr(f"kms_schema.cli.{module}.LOCK_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(postgresql_reader, "_SETTINGS", postgresql_reader._SETTINGS.replace("'5s'", "'300ms'"))
    (tmp_path / "root.key").write_bytes(b64encode(bytes(range(32))))
    (tmp_path / "root.key").chmod(0o600)
    if command.startswith("upgrade"):
        database.alembic("downgrade", "004")
    environment = {"KMS_ROOT_KEYS": f"kms://root={tmp_path / 'root.key'}"}
    with behind_a_reader(database, table) as (reader, waiter):
        said = kms_schema(*command.split(), url=impatient(database), environment=environment)
        assert said.status == 3
        assert all(re.search(rf"\bprocess {each}\b", said.error) for each in (reader, waiter)), said.error


def test_who_has_put_in_a_tombstone_without_committing_it_is_named(database: Database, tmp_path: Path) -> None:
    write_signing_key(tmp_path / "seal.key", KEY)
    words = ("audit", "retain", "--key", str(tmp_path / "seal.key"), "--archive", str(tmp_path), *SHORT)
    with retaining(database) as place, closing(place.retention.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        place.write()
        execute(connection, "BEGIN")
        execute(
            connection,
            """INSERT INTO key_audit_tombstones SELECT (SELECT max(seal_number) FROM key_audit_seals), tree_size,
                last_sequence, sha256('') FROM key_audit_seals ORDER BY seal_number LIMIT 1""",
        )
        said = kms_schema(*words, url=place.retention.url)
        assert said.status == 3
        assert f"another session ({process(connection)}" in said.error
        execute(connection, "ROLLBACK")
        assert kms_schema(*words, url=place.retention.url).status == 0


def test_who_has_locked_a_row_is_named(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms_schema.cli.connections.LOCK_WAIT_SECONDS", 0.3)
    with closing(database.connect()) as connection, closing(database.connect()) as other:
        assert isinstance(connection, psycopg.Connection)
        key = insert(connection, "key_masters", **active_key_master())
        insert(connection, "key_versions", **key_version(key))
        execute(other, "BEGIN")
        insert(other, "key_masters", **active_key_master())
        execute(connection, "BEGIN")
        execute(connection, "SELECT FROM key_versions FOR UPDATE")
        said = run(database, "destroy-version", str(key["key_id"]), "1", "--yes")
        assert said.status == 3
        assert f"another session ({process(connection)}" in said.error


def test_a_prepared_transaction_that_nobody_ends_is_named(engine_name: str) -> None:
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    with closing(PostgresqlEngine(engine_name, programs, ("--set", "max_prepared_transactions=2"))) as engine:
        database = engine.create()
        database.alembic("upgrade", "head")
        with closing(database.connect()) as connection:
            assert isinstance(connection, psycopg.Connection)
            for name, lock in (
                ("it's seals", "SELECT lock_key_audit_seals()"),
                ("policies", "LOCK TABLE rotation_policies IN ACCESS EXCLUSIVE MODE"),
            ):
                execute(connection, "BEGIN")
                execute(connection, lock)
                execute(connection, "PREPARE TRANSACTION '" + name.replace("'", "''") + "'")
        for command, name in (("audit seal", "'it''s seals'"), ("refresh", "")):
            said = run(database, *command.split(), *SHORT)
            assert said.status == 3
            assert f"another session (prepared transaction {name}" in said.error


@pytest.mark.parametrize("command", [["audit", "seal"], ["refresh"]], ids=" ".join)
def test_a_killed_client_leaves_no_session_that_waits(database: Database, command: list[str]) -> None:
    sessions = f"""SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock') FROM pg_stat_activity
        WHERE application_name = 'kms-schema {command[0]}'"""  # noqa: S608
    with closing(database.connect()) as connection, closing(database.connect()) as observer:
        assert isinstance(connection, psycopg.Connection)
        execute(connection, "BEGIN")
        execute(connection, "SELECT lock_key_audit_seals()")
        refresh(connection)
        client = python.Popen(
            [sys.executable, "-m", "kms_schema", *command, "--lock-wait", "600", "--database-url", database.url],
            cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert until(observer, sessions, lambda count, _: count == 1)[1] == 0
        finally:
            client.send_signal(signal.SIGKILL)
            client.wait(SECONDS)
        until(observer, sessions, lambda count, _: count == 0)


def until(connection: Any, query: str, wanted: Any) -> Any:
    deadline = time.monotonic() + SECONDS
    while not wanted(*(row := execute(connection, query).fetchone())):
        assert time.monotonic() < deadline, row
        time.sleep(0.02)
    return row
