"""Retention ends before or after each of its steps: nothing is gone without its archive, and the next run finishes."""

import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.audit.retention import retain as retain_module
from kms_schema.audit.retention.retain import retain
from kms_schema.audit.standalone.check_audit import check_archive, read_key
from kms_schema.audit.storage.errors import TrailError
from kms_schema.roles.applying import apply
from support.engines import Database, Engine, Engines
from support.statements import execute
from tests.audit.retaining import Retaining, retaining
from tests.audit.sealers import (
    FILE_STEPS,
    SECONDS,
    plain,
    retain_and_die_at_a_file,
    retain_on_postgresql,
    retain_on_sqlite,
    start,
)
from tests.audit.trails import FORGER, KEY, open_trail, seal_all, verified, write
from tests.migrations.interruption.sessions import await_silence
from tests.migrations.interruption.wire import Moment, Wire

KEPT = 3
ENDS = ("killed", "terminated", "lost")
SLICE = 24
"""Without --full, one in so many statements is one at which it ends."""


@pytest.fixture(scope="module")
def template(engine_name: str, engines: Engines) -> Iterator[Retaining]:
    """A trail whose beginning is past its period, in a database that nobody is connected to: it is for copies."""
    engine, migrated = engines[engine_name], engines.migrated(engine_name, "template")
    home = engine.create(migrated)
    with retaining(home) as place:
        database = engine.create(migrated)
        with closing(database.connect()) as connection:
            if isinstance(connection, psycopg.Connection):
                apply(connection, prefix=place.prefix)
        made = moved(place, database)
        made.write(expired=5, kept=KEPT)
        yield made
        engine.drop(database)
    engine.drop(home)


def moved(place: Retaining, database: Database) -> Retaining:
    """Return the same roles in another database."""
    if database.dialect == "sqlite":
        return Retaining(database, database)
    url = sa.make_url(place.retention.url).set(database=sa.make_url(database.url).database)
    return Retaining(database, replace(place.retention, url=url.render_as_string(hide_password=False)), place.prefix)


@contextmanager
def copied(template: Retaining, engine: Engine) -> Iterator[Retaining]:
    """Give a copy of the trail, for one attempt."""
    database = engine.create(template.database)
    yield moved(template, database)
    engine.drop(database)


def folder_of(path: Path, name: str) -> Path:
    made = path / name
    made.mkdir()
    return made


def sqlite_statements(place: Retaining, folder: Path) -> int:
    """Return how many statements a whole run has."""
    count = 0

    def counted(_statement: str) -> None:
        nonlocal count
        count += 1

    with closing(place.database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        connection.set_trace_callback(counted)
        list(retain(open_trail(connection), KEY, folder))
    return count


def is_sound(place: Retaining, folder: Path) -> int:
    """Assert that the trail verifies, and that what is gone is in a whole archive; return how many are."""
    with closing(place.database.connect()) as connection:
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert verdict.faults == []
    archived = 0
    for each in sorted(folder.glob("audit-*.jsonl.gz")):
        archive = check_archive(each, [read_key(str(KEY.verifier))])
        assert archive.first_leaf == archived
        archived = archive.end_leaf
    assert verdict.removed <= archived
    return verdict.removed


def finish(place: Retaining, folder: Path) -> None:
    """Run it again, and nothing is left to do."""
    place.retain(folder)
    assert is_sound(place, folder) >= 5
    assert place.retain(folder) == []
    assert [each.name for each in folder.iterdir() if each.name.startswith("audit-")]


def said(place: Retaining, folder: Path) -> list[str]:
    """Return the statements of a whole run."""
    with Wire(place.retention.url) as wire:
        process = start(retain_on_postgresql, plain(wire.url), str(folder))
        found = [statement for moment, statement in wire.statements() if moment is Moment.EXECUTED]
        process.join(SECONDS)
    assert process.exitcode == 0
    return found


def end_at(place: Retaining, folder: Path, at: int, moment: Moment, how: str) -> None:
    """Kill the client, terminate the server's process, or cut the connection, at a statement."""
    seen = -1
    with Wire(place.retention.url) as wire:
        process = start(retain_on_postgresql, plain(wire.url), str(folder))
        for now, _ in wire.statements():
            seen += now is Moment.SENT
            if (seen, now) == (at, moment):
                if how == "killed":
                    process.kill()
                    process.join(SECONDS)
                if how == "terminated":
                    with closing(place.database.connect()) as other:
                        execute(other, f"SELECT pg_terminate_backend({wire.backend_pid})")
                break
    process.join(SECONDS)
    assert process.exitcode == (-signal.SIGKILL if how == "killed" else 1)
    assert seen == at


def among(request: pytest.FixtureRequest, count: int, several: int, *, before_last: int = 0) -> range:
    """Return the steps of `count` to try: all with --full, else one in `several`, counted back from the last one.

    With `before_last` it is counted back from as many steps before the last.
    """
    every = 1 if request.config.getoption("--full") else several
    return range((count - 1 - before_last) % every, count, every)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("how", ENDS)
def test_retention_that_ends_at_any_statement(
    template: Retaining, engine: Engine, tmp_path: Path, request: pytest.FixtureRequest, how: str
) -> None:
    with copied(template, engine) as copy:
        statements = said(copy, folder_of(tmp_path, "whole"))
    assert sum("INSERT INTO" in each for each in statements) >= 4, "entry, seal, leaves, tombstone"
    assert sum("remove_expired_key_audit_logs()" in each and 'SELECT "' in each for each in statements) == 2
    # Each of the steps ends in one way, and with --full in all.
    for at in among(request, len(statements), len(ENDS) * SLICE, before_last=ENDS.index(how) * SLICE):
        for moment in (Moment.SENT, Moment.EXECUTED):
            with copied(template, engine) as copy:
                folder = folder_of(tmp_path, f"{at}-{moment.name}")
                end_at(copy, folder, at, moment, how)
                await_silence(copy.database)
                is_sound(copy, folder)
                finish(copy, folder)


@pytest.mark.only_on("sqlite")
def test_retention_that_is_killed_before_any_statement(
    template: Retaining, engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with copied(template, engine) as copy:
        count = sqlite_statements(copy, folder_of(tmp_path, "whole"))
    assert count > 40
    for at in among(request, count, 3 * SLICE):
        with copied(template, engine) as copy:
            folder = folder_of(tmp_path, str(at))
            process = start(retain_on_sqlite, copy.database.name, str(folder), at)
            process.join(SECONDS)
            assert process.exitcode == -signal.SIGKILL
            is_sound(copy, folder)
            finish(copy, folder)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", FILE_STEPS)
def test_retention_that_is_killed_at_a_step_of_its_file(
    place: Retaining, tmp_path: Path, step: str, *, after: bool
) -> None:
    place.write(expired=5, kept=KEPT)
    process = start(retain_and_die_at_a_file, place.address, str(tmp_path), step, after)
    process.join(SECONDS)
    assert process.exitcode == -signal.SIGKILL
    assert is_sound(place, tmp_path) == 0
    has_name = step == FILE_STEPS[2] or (step == "link" and after)
    assert len(list(tmp_path.iterdir())) == has_name, "the archive, or nothing"
    finish(place, tmp_path)


def test_two_runs_at_once_remove_each_entry_once(place: Retaining, tmp_path: Path) -> None:
    """One of them may be told to come again; together they leave what one would."""
    place.write(expired=300, kept=KEPT)
    first, second = (folder_of(tmp_path, name) for name in ("first", "second"))
    processes = [place.start_process(folder) for folder in (first, second)]
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode in {0, 1}
    assert 0 in {process.exitcode for process in processes}
    with closing(place.database.connect()) as connection:
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert verdict.faults == []
        assert verdict.removed >= 300
        assert execute(connection, "SELECT count(*) FROM key_audit_tombstones").fetchone() == (1,)


def test_retention_beside_a_sealer_and_writers(place: Retaining, tmp_path: Path) -> None:
    place.write(expired=300, kept=KEPT)
    over = threading.Event()
    errors: list[Exception] = []

    def busy(seals: bool) -> None:
        with closing(place.database.connect()) as connection:
            execute(connection, "PRAGMA busy_timeout = 20000" if place.database.dialect == "sqlite" else "SELECT")
            while not over.is_set():
                try:
                    seal_all(connection) if seals else write(connection, 1)
                except Exception as error:  # noqa: BLE001
                    errors.append(error)
                    return
                over.wait(0.01)

    threads = [threading.Thread(target=busy, args=(seals,)) for seals in (True, False, False)]
    for thread in threads:
        thread.start()
    try:
        done = place.retain(tmp_path)
    finally:
        over.set()
        for thread in threads:
            thread.join(SECONDS)
    assert errors == []
    assert [each.removed >= 300 for each in done] == [True]
    assert is_sound(place, tmp_path) == done[0].removed


def test_an_archive_of_before_the_seal_key_changed_is_taken(
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(expired=5, kept=KEPT)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(retain_module, "_recorded_and_sealed", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            place.retain(tmp_path)
    (archive,) = tmp_path.iterdir()
    before = archive.read_bytes()
    with closing(place.database.connect()) as connection:
        write(connection, 1)
        seal_all(connection, KEY, next_key=FORGER.verifier)
        write(connection, 1)
        seal_all(connection, FORGER)
    refused, steps = None, []
    with closing(place.retention.connect()) as connection:
        try:
            steps = list(retain(open_trail(connection), FORGER, tmp_path))
        except TrailError as error:
            refused = str(error)
    assert refused is None
    (done,) = steps
    assert done.removed >= 5
    assert (done.archive, archive.read_bytes()) == (archive, before)
    assert check_archive(archive, [read_key(str(KEY.verifier))]).end_leaf >= 5
    with closing(place.database.connect()) as connection:
        assert verified(connection, trusted=(KEY.verifier, FORGER.verifier)).faults == []


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
