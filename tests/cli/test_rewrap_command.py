"""`kms-schema rewrap` and `kms-schema destroy-version`, as they are typed: killed, interrupted, two at once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, RootKeys
from support.engines import Database
from support.programs import python
from support.programs.commands import kms_schema
from support.statements import execute
from tests.crypto.wrapped_trees import NEXT_ROOT, ROOT, Tree, held, two_roots, wrappers


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return two_roots(tmp_path)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    engine = database.engine()
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def tree(session: Session, files: dict[str, Path]) -> Tree:
    return Tree(session, KeyWrapping(RootKeys.from_files(files)))


def given(files: dict[str, Path]) -> list[str]:
    return [word for reference, file in files.items() for word in ("--root-key", f"{reference}={file}")]


def test_a_rotation_to_its_end(database: Database, session: Session, tree: Tree, files: dict[str, Path]) -> None:
    move = ("--from", tree.first, "--to", tree.second, *given(files))
    planned = kms_schema("rewrap", *move, "--dry-run", "--verify", url=database.url)
    assert (planned.status, planned.err) == (0, "")
    assert planned.out == f"5 key versions and 0 HSM configurations would be rewrapped\n{tree.first} has 5 dependents\n"
    key_id = tree.kek.key_id
    session.commit()
    refused = kms_schema("destroy-version", key_id, "1", "--yes", url=database.url)
    assert refused.status == 1
    assert f"version 1 of key '{key_id}' still wraps 5 versions (key-" in refused.error
    assert kms_schema("rewrap", *move, "--format", "json", "--actor", "alice", url=database.url).status == 0
    done = kms_schema("rewrap", *move, "--format", "json", url=database.url)
    nothing = {"dry_run": False, "key_versions": 0, "hsm_configurations": 0, "remaining": 0, "left": [], "unsaid": []}
    assert json.loads(done.out) == nothing
    assert held(session, tree.wrapping) == tree.keys
    destroyed = kms_schema("destroy-version", key_id, "1", "--yes", "--actor", "alice", url=database.url)
    assert (destroyed.status, destroyed.out) == (0, f"version 1 of key '{key_id}' is destroyed\n")
    assert "backups" in destroyed.err
    with closing(database.connect()) as connection:
        gone = "SELECT encrypted_key_data IS NULL, destroyed_at IS NOT NULL FROM key_versions WHERE version_number = 1"
        query = f"{gone} AND key_id = (SELECT id FROM key_masters WHERE key_id = :name)"  # noqa: S608
        assert tuple(execute(connection, query, {"name": key_id}).fetchone()) == (True, True)
        query = "SELECT user_id, event_description FROM key_audit_logs WHERE event_type = 'VERSION_DESTROYED'"
        assert tuple(execute(connection, query).fetchone()) == ("alice", f"version destroyed: {key_id} version 1")
    again = kms_schema("destroy-version", key_id, "1", "--yes", url=database.url)
    assert (again.status, "destroyed already" in again.error) == (1, True)
    live = kms_schema("destroy-version", key_id, "2", "--yes", url=database.url)
    assert (live.status, "is live" in live.error) == (1, True)


def test_what_stays_is_named_and_the_status_says_so(
    database: Database, tree: Tree, files: dict[str, Path], session: Session
) -> None:
    key_id = tree.kek.key_id
    session.commit()
    words = ("--from", ROOT, "--to", f"{key_id}:2", *given(files))
    said = kms_schema("rewrap", *words, url=database.url)
    assert (said.status, "is wrapped by" in said.error) == (1, True)
    unknown = kms_schema("rewrap", "--from", "kms://nowhere", "--to", ROOT, *given(files), url=database.url)
    assert (unknown.status, "'kms://nowhere' is unknown" in unknown.error) == (1, True)


def test_root_keys_are_named_where_they_are_and_never_shown(
    database: Database, tree: Tree, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    move = ("--from", tree.first, "--to", tree.second, "--dry-run")
    secret = files[ROOT].read_text()
    monkeypatch.setenv("KMS_ROOT_KEYS", " ".join(f"{reference}={file}" for reference, file in files.items()))
    assert kms_schema("rewrap", *move, url=database.url).status == 0
    monkeypatch.delenv("KMS_ROOT_KEYS")
    monkeypatch.setenv("ROOT_2026", secret)
    assert kms_schema("rewrap", *move, "--root-key", f"{ROOT}=env:ROOT_2026", url=database.url).status == 0
    assert kms_schema("rewrap", *move, url=database.url).error.startswith("Error: the root key 'kms://")
    twice = ["--root-key", f"{ROOT}={files[ROOT]}"] * 2
    for wrong in (
        ["--root-key", "no-file"],
        ["--root-key", f"{ROOT}=/no"],
        ["--root-key", f"{ROOT}=env:NO"],
        twice,
    ):
        said = kms_schema("rewrap", *move, *wrong, url=database.url)
        assert (said.status, secret in said.all) == (2, False)
    files[ROOT].chmod(0o644)
    said = kms_schema("rewrap", *move, "--root-key", f"{ROOT}={files[ROOT]}", url=database.url)
    assert (said.status, "others can read" in said.error) == (2, True)


def test_usage_and_connections(database: Database, tree: Tree, files: dict[str, Path], tmp_path: Path) -> None:
    move = ("--from", tree.first, "--to", tree.second, *given(files))
    assert kms_schema("rewrap", *move, "--verify", url=database.url).status == 2
    assert kms_schema("rewrap", *move, "--actor", "x" * 101, url=database.url).status == 2
    assert kms_schema("rewrap", *move, url=f"sqlite:///{tmp_path}/none.db").status == 3
    assert kms_schema("destroy-version", "k", "1", "--yes", url="postgresql://nobody@127.0.0.1:1/none").status == 3
    nobody = kms_schema("destroy-version", tree.kek.key_id, "1", url=database.url)
    assert nobody.status in {1, 2}
    none = kms_schema("destroy-version", "no-such-key", "1", "--yes", url=database.url)
    assert (none.status, "there is no version 1 of key 'no-such-key'; kms-schema keys show" in none.error) == (1, True)


HELD_UP = """
import sys, time
from kms_schema.crypto import dependents
from kms_schema.cli import main

verify, batches = dependents.Versions.verify, []

def slow(self, session, ids):
    verify(self, session, ids)
    batches.append(ids)
    if len(batches) == int(sys.argv[1]):
        print("held up", flush=True)
        time.sleep(60)

dependents.Versions.verify = slow
main(sys.argv[2:])
"""


@pytest.mark.parametrize("batch", [1, 2], ids=["inside the first batch", "inside the second"])
def test_a_kill_loses_nothing_and_the_next_run_goes_on(
    database: Database, session: Session, tree: Tree, files: dict[str, Path], batch: int
) -> None:
    words = ["rewrap", "--from", tree.first, "--to", tree.second, "--batch", "2", *given(files)]
    command = [sys.executable, "-c", HELD_UP, str(batch), *words, "--database-url", database.url]
    process = python.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held up\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    moved = 2 * (batch - 1)
    settle(database)
    assert held(session, tree.wrapping) == tree.keys
    under = wrappers(session)
    session.commit()
    assert {name: count for name, count in under.items() if name != ROOT} == {
        name: count for name, count in {tree.first: 5 - moved, tree.second: moved}.items() if count
    }
    again = kms_schema(*words, url=database.url)
    assert (again.status, again.out.startswith(f"{5 - moved} key versions")) == (0, True)
    assert held(session, tree.wrapping) == tree.keys
    assert wrappers(session) == {tree.second: 5, ROOT: 3}


def settle(database: Database) -> None:
    """Wait until the server has seen that the client is gone."""
    if database.dialect == "sqlite":
        return
    with closing(database.connect()) as connection:
        deadline = time.monotonic() + 10
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'kms-schema rewrap'"
        )
        while execute(connection, query).fetchone() != (0,) and time.monotonic() < deadline:
            time.sleep(0.05)


def test_two_at_once_share_the_work(database: Database, session: Session, tree: Tree, files: dict[str, Path]) -> None:
    words = ["rewrap", "--from", tree.first, "--to", tree.second, "--batch", "1", *given(files)]
    command = [sys.executable, "-m", "kms_schema", *words, "--format", "json", "--database-url", database.url]
    processes = [python.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    outcomes = [json.loads(each) for each in said]
    assert sum(each["key_versions"] for each in outcomes) == 5
    assert {each["remaining"] for each in outcomes} == {0}
    assert held(session, tree.wrapping) == tree.keys
    assert wrappers(session) == {tree.second: 5, ROOT: 3}


@pytest.mark.only_on("postgresql")
def test_a_row_that_somebody_holds_is_waited_for_and_holds_up_no_other(
    database: Database, session: Session, tree: Tree, files: dict[str, Path]
) -> None:
    words = ["rewrap", "--from", tree.first, "--to", tree.second, *given(files)]
    command = [sys.executable, "-m", "kms_schema", *words, "--database-url", database.url]
    with closing(database.connect()) as counting:
        execute(counting, "BEGIN")
        row = "(SELECT id FROM key_versions WHERE wrapping_key_ref IS NULL ORDER BY id LIMIT 1)"
        count_use = "UPDATE key_versions SET usage_count = usage_count + 1 WHERE id IN"
        execute(counting, f"{count_use} {row}")
        process = python.Popen(command, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while wrappers(session).get(tree.second) != 4 and time.monotonic() < deadline:
            session.rollback()
            time.sleep(0.05)
        assert wrappers(session) == {tree.first: 1, tree.second: 4, ROOT: 3}
        execute(counting, "COMMIT")
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out.splitlines()[-1]) == (0, f"{tree.first} has 0 dependents left")


def test_a_root_key_moves_with_its_credentials(
    database: Database, session: Session, tree: Tree, files: dict[str, Path]
) -> None:
    said = kms_schema("rewrap", "--from", ROOT, "--to", NEXT_ROOT, *given(files), url=database.url)
    assert said.out == f"2 key versions and 1 HSM configuration rewrapped\n{ROOT} has 0 dependents left\n"
    assert held(session, tree.wrapping) == tree.keys


@pytest.mark.only_on("postgresql")
def test_it_holds_nothing_while_it_waits_for_the_new_wrapper(
    database: Database, session: Session, tree: Tree, files: dict[str, Path]
) -> None:
    """Else who has counted use of the wrapper, and goes on to one of the rows, would meet it in a circle.

    The server would break that after deadlock_timeout, by refusing one of the two.
    """
    words = ["rewrap", "--from", tree.first, "--to", tree.second, *given(files)]
    session.commit()
    command = [sys.executable, "-m", "kms_schema", *words, "--database-url", database.url]
    count_use = "UPDATE key_versions SET usage_count = usage_count + 1 WHERE"
    with closing(database.connect()) as counting, closing(database.connect()) as looking:
        execute(counting, "BEGIN")
        execute(counting, f"{count_use} version_number = 2")
        process = python.Popen(command, stdout=subprocess.PIPE, text=True)
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'kms-schema rewrap' AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 30
        while execute(looking, waiting).fetchone() != (1,):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        execute(counting, "SET LOCAL lock_timeout = '200ms'")
        execute(counting, f"{count_use} wrapped_by_version_id IS NOT NULL")
        execute(counting, "COMMIT")
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out.splitlines()[-1]) == (0, f"{tree.first} has 0 dependents left")


def test_an_interruption_says_what_was_done(
    database: Database, session: Session, tree: Tree, files: dict[str, Path]
) -> None:
    words = ["rewrap", "--from", tree.first, "--to", tree.second, "--batch", "2", *given(files)]
    command = [sys.executable, "-c", HELD_UP, "2", *words, "--database-url", database.url]
    session.commit()
    process = python.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held up\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in said) == (130, False), said
    assert "interrupted: run the command again to continue (2 rows rewrapped)" in said
    assert held(session, tree.wrapping) == tree.keys


@pytest.mark.only_on("postgresql")
def test_what_the_database_makes_the_usual_isolation_does_not_matter(
    database: Database, session: Session, tree: Tree, files: dict[str, Path]
) -> None:
    """At REPEATABLE READ a version is not destroyed, and a rewrap would not see what others wrapped."""
    session.commit()
    with closing(database.connect()) as connection:
        execute(
            connection,
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = %L',"
            " current_database(), 'repeatable read'); END $$",
        )
    move = ("--from", tree.first, "--to", tree.second, *given(files))
    assert kms_schema("rewrap", *move, url=database.url).status == 0
    said = kms_schema("destroy-version", tree.kek.key_id, "1", "--yes", url=database.url)
    assert said.status == 0, said.all
