"""`scripts/benchmark.py`: what it prints and writes, what it refuses, and that it leaves nothing behind."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from benchmarks import command
from benchmarks.places import Places
from benchmarks.servers import PREFIX
from benchmarks.targets import Limit, Measured, Target
from benchmarks.timing import Times, alternately
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.login_roles import login
from support.rows.smallest import insert, key_master, rotation_policy
from support.statements import execute

SCRIPT = [sys.executable, str(REPOSITORY / "scripts" / "benchmark.py")]
SECONDS = 120
on_postgresql = pytest.mark.only_on("postgresql")


@dataclass(frozen=True)
class Said:
    """The result of a run."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every target be measured at once, with a result that misses."""

    def measure(_target: Target, places: Places) -> list[Measured]:
        with places.empty() as database, closing(database.connect()) as connection:
            execute(connection, "SELECT 1")
        return [Measured("it", 0.5, Limit(1, at_least=True), {"one": Times((2.0, 1.0, 9.0))})]

    monkeypatch.setattr(Target, "measure", measure)
    return iter(())


def benchmark(*words: str) -> Result:
    return CliRunner().invoke(command.main, [*words])


def error_of(result: Result) -> str:
    """Return what a refusal says; it is one line, and no traceback."""
    (line,) = (line for line in result.output.splitlines() if line.startswith("Error: "))
    assert "Traceback" not in result.output
    return line


def test_it_starts_a_server_with_durable_commits_and_writes_results(tmp_path: Path) -> None:
    words = ["--only", "P1", "--only", "P19", "--scale", "tiny", "--repetitions", "1", "--seed", "7"]
    files = ["--json", "result.json", "--markdown", "docs/page.md", "--chart", "chart.svg"]
    (tmp_path / "docs").mkdir()
    done = subprocess.run([*SCRIPT, *words, *files], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode in {0, 1}, done.stderr
    table = done.stdout.strip()
    assert max(map(len, table.splitlines())) <= 120
    assert table.splitlines()[2].startswith("| P1  | read the dashboard, p95, 200 keys and 600 entries")
    assert len(done.stderr.splitlines()) < 15, "a line for what takes a while, and no line of progress"
    assert "started postgresql-18 with fsync=on" in done.stderr
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert {result["target"] for result in found["results"]} == {"P1", "P19"}
    assert (found["scale"], found["seed"], found["repetitions"]) == ("tiny", 7, 1)
    settings = found["server"]["settings"]
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == ("on", "on", "on")
    page = (tmp_path / "docs" / "page.md").read_text(encoding="utf-8")
    assert table in page
    assert "(../chart.svg)" in page
    assert "read the dashboard" in (tmp_path / "chart.svg").read_text(encoding="utf-8")


def test_sqlite_is_measured_where_there_is_something_to_measure(run: Iterator[None]) -> None:
    del run
    result = benchmark("--engine", "sqlite", "--scale", "tiny")
    assert result.exit_code == 1
    measured = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("| P")]
    assert measured == ["P1", "P4", "P5", "P7", "P8", "P10", "P12", "P13", "P15", "P16", "P19", "P20", "P21"]
    refused = benchmark("--engine", "sqlite", "--only", "P3", "--only", "P7")
    assert refused.exit_code == 2
    assert error_of(refused).startswith("Error: P3: only on PostgreSQL")


@pytest.mark.parametrize(("limit", "status"), [(Limit(0.5), 0), (Limit(0.49), 1), (None, 0)])
def test_a_target_that_is_missed_is_its_exit_status(
    monkeypatch: pytest.MonkeyPatch, limit: Limit | None, status: int
) -> None:
    monkeypatch.setattr(Target, "measure", lambda _target, _places: [Measured("it", 0.5, limit)])
    assert benchmark("--engine", "sqlite", "--only", "P7").exit_code == status


def test_results_are_kept_if_a_later_target_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measure(target: Target, _places: Places) -> list[Measured]:
        if target.number == "P7":
            raise RuntimeError("the disk is full")
        return [Measured("it", 0.5, None)]

    monkeypatch.setattr(Target, "measure", measure)
    file = tmp_path / "result.json"
    result = benchmark("--engine", "sqlite", "--only", "P5", "--only", "P7", "--json", str(file))
    assert str(result.exception) == "the disk is full"
    assert "| P5 | it" in result.stdout
    assert len(json.loads(file.read_text(encoding="utf-8"))["results"]) == 1


def test_a_missing_folder_is_reported_before_measurements(tmp_path: Path) -> None:
    refused = benchmark("--markdown", str(tmp_path / "nowhere" / "page.md"))
    assert refused.exit_code == 2
    assert "there is no folder" in error_of(refused)


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("postgresql://me:secret@127.0.0.1:1/postgres", 3, "onnection refused"),
        ("postgresql://me:secret@127.0.0.1:port/postgres", 2, "its port is not a number"),
        ("oracle://me:secret@127.0.0.1/x", 2, "not supported"),
        ("sqlite:///kms.db", 2, "--engine sqlite measures SQLite, in a file of its own"),
    ],
)
def test_an_unreachable_url_is_reported_in_one_line_without_its_password(url: str, status: int, says: str) -> None:
    result = benchmark("--database-url", url)
    assert result.exit_code == status
    assert says in error_of(result)
    assert "secret" not in result.output


def databases(database: Database) -> set[str]:
    """Return the databases of benchmarks on the server."""
    with closing(database.connect()) as connection:
        found = execute(connection, "SELECT datname FROM pg_database").fetchall()
    return {name for (name,) in found if name.startswith(PREFIX)}


def rows(database: Database) -> list[tuple[object, ...]]:
    """Return what is in the tables, in a few figures."""
    query = "SELECT count(*), max(sequence), (SELECT count(*) FROM key_masters) FROM key_audit_logs"
    with closing(database.connect()) as connection:
        found: list[tuple[object, ...]] = execute(connection, query).fetchall()
    return found


@on_postgresql
def test_on_a_server_it_works_in_databases_of_its_own(run: Iterator[None], database: Database) -> None:
    """The one that the URL names has our schema, and nothing in it: it is left alone."""
    del run
    before = rows(database)
    result = benchmark("--database-url", database.url, "--only", "P3", "--scale", "tiny")
    assert result.exit_code == 1, result.output
    assert "| P3 | it" in result.stdout
    assert rows(database) == before
    assert databases(database) == set()


@on_postgresql
@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("key_masters", key_master()),
        ("rotation_policies", rotation_policy()),
        ("key_audit_logs", {"event_type": "A", "event_category": "SECURITY", "event_description": "used"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_database_with_data_is_refused(
    run: Iterator[None], database: Database, table: str, row: dict[str, object]
) -> None:
    del run
    with closing(database.connect()) as connection:
        if table != "key_audit_logs":
            execute(connection, f"ALTER TABLE {table} DISABLE TRIGGER USER")  # which would write entries as well
        insert(connection, table, **row)
    before = rows(database)
    result = benchmark("--database-url", database.url)
    assert result.exit_code == 2
    assert f"public.{table} holds data" in error_of(result)
    assert rows(database) == before
    assert databases(database) == set()


@on_postgresql
def test_data_in_another_schema_is_found_too(run: Iterator[None], empty_database: Database) -> None:
    del run
    empty_database.alembic("-x", "schema=custody", "upgrade", "head")
    with closing(empty_database.connect()) as connection:
        insert(connection, "custody.key_masters", **key_master())
    result = benchmark("--database-url", empty_database.url)
    assert result.exit_code == 2
    assert "custody.key_audit_logs holds data" in error_of(result)


@on_postgresql
def test_a_table_that_cannot_be_read_is_refused(run: Iterator[None], database: Database) -> None:
    del run
    with login(database) as role_without_privileges:
        result = benchmark("--database-url", role_without_privileges.url)
    assert result.exit_code == 2
    assert "holds data" in error_of(result)


@on_postgresql
def test_a_role_without_createdb_gets_the_statement_to_run(run: Iterator[None], empty_database: Database) -> None:
    """It does not fall back to the database that the URL names, whatever that is."""
    del run
    with login(empty_database) as role_without_privileges:
        result = benchmark("--database-url", role_without_privileges.url)
        role = sa.make_url(role_without_privileges.url).username
    assert result.exit_code == 2
    assert error_of(result).endswith(f"let the role: ALTER ROLE {role} CREATEDB")


@on_postgresql
@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_drops_and_reports_its_databases(
    empty_database: Database, stopped_by: signal.Signals
) -> None:
    words = ["--database-url", empty_database.url, "--only", "P10"]
    running = subprocess.Popen([*SCRIPT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _until(running, b"loading")
    assert databases(empty_database) != set()
    running.send_signal(stopped_by)
    _, said = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert said.decode().splitlines()[-1].startswith("Interrupted: all ")
    assert b"Traceback" not in said
    assert databases(empty_database) == set()


def _until(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Wait until a process has said something, a moment of work included."""
    assert process.stderr is not None
    said, deadline = b"", time.monotonic() + SECONDS
    while words not in said:
        assert select.select([process.stderr], [], [], deadline - time.monotonic())[0], said
        said += os.read(process.stderr.fileno(), 4_096)
    time.sleep(0.5)


def test_each_command_runs_in_turn_then_the_other_way_round_and_the_first_time_does_not_count(tmp_path: Path) -> None:
    order = tmp_path / "order"
    commands = {name: ["sh", "-c", f"printf {name} >> {order}"] for name in "ab"}
    times = alternately(commands, 2, {"PATH": "/bin:/usr/bin"})
    assert order.read_text() == "abbaab"
    assert [len(each.milliseconds) for each in times.values()] == [2, 2]
    with pytest.raises(subprocess.CalledProcessError):
        alternately({"fails": ["false"]}, 1, {"PATH": "/bin:/usr/bin"})
