"""The tests' own machinery: servers end with their owner, missing engines fail, refusals are told apart."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from support.engines import parse_names
from support.engines.programs import REPOSITORY
from support.shared import SharedDatabase
from support.statements import execute, refused

pytestmark = pytest.mark.versions("oldest and newest")

OWNER = """
import sys, time
from support.engines import Engines
from support.engines.postgresql import psycopg_url
engine = Engines()[sys.argv[1]]
print(psycopg_url(engine.url), flush=True)
time.sleep(600)
"""
PATIENCE_SECONDS = 30


def data_folder(url: str) -> Path:
    with psycopg.connect(url) as connection:
        return Path(connection.execute("SHOW data_directory").fetchall()[0][0])


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.only_on("postgresql")
def test_a_server_and_its_files_are_gone_when_their_owner_is_killed(engine_name: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KMS_TEST_POSTGRESQL")}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, engine_name], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        folder = data_folder(url)
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answers(url) or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(url)
    assert not folder.exists()


def test_an_engine_that_cannot_be_had_fails_the_tests_and_skips_none() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-n0",
            "--engines=sqlite-9.9.9",
            "tests/schema/test_hsm_handles.py",
        ],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "not 9.9.9: start it with LD_LIBRARY_PATH" in run.stdout
    assert "1 error in" in run.stdout


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("sqlite", ("sqlite",)),
        ("postgresql-13, sqlite", ("postgresql-13", "sqlite")),
        ("all", ("sqlite", "postgresql-13", "postgresql-15", "postgresql-18")),
        ("all,sqlite-3.35.2,sqlite", ("sqlite", "postgresql-13", "postgresql-15", "postgresql-18", "sqlite-3.35.2")),
    ],
)
def test_engines_are_chosen_by_name(option: str, names: tuple[str, ...]) -> None:
    assert parse_names(option) == names


@pytest.mark.parametrize("option", ["", "mysql", "postgresql", "sqlite,", "sqlite-3", "postgresql-18,oracle"])
def test_a_name_that_is_no_engine_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match="is no engine"):
        parse_names(option)


def test_a_refusal_by_another_rule_or_no_refusal_fails(shared: SharedDatabase) -> None:
    connection = shared.connection
    execute(connection, "CREATE TEMP TABLE held (n integer, CONSTRAINT held_n_positive CHECK (n > 0))")
    insert = "INSERT INTO held VALUES (:n)"
    refused(connection, insert, {"n": 0}, rule="held_n_positive", sqlstate="23514")
    with pytest.raises(AssertionError, match="refused, but not by held_n_even"):
        refused(connection, insert, {"n": 0}, rule="held_n_even")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        refused(connection, insert, {"n": 1}, rule="held_n_positive")
    if not isinstance(connection, sqlite3.Connection):
        with pytest.raises(AssertionError, match="SQLSTATE 23514, not 23505"):
            refused(connection, insert, {"n": 0}, rule="held_n_positive", sqlstate="23505")
    assert execute(connection, "SELECT n FROM held").fetchall() == [(1,)]


def test_parameters_are_written_alike_for_both_drivers(shared: SharedDatabase) -> None:
    text = "'100 % :n {\"a\":true}'"
    found = execute(shared.connection, f"SELECT CAST(:n AS integer), {text}, :text", {"n": 1, "text": ":n"})
    assert found.fetchone() == (1, text.strip("'"), ":n")
    assert execute(shared.connection, f"SELECT {text}").fetchone() == (text.strip("'"),)
