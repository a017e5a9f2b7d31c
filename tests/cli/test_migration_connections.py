"""A migration command that gets no connection, or no file, says so in one sentence."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from support.engines import Database
from support.login_roles import login
from support.programs.commands import kms_schema
from support.statements import execute
from tests.cli.migration_commands import ALL_COMMANDS, PASSWORD


def accepts(url: str) -> bool:
    """Return whether the server lets a client in."""
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def asking_for_passwords(database: Database, known: Database) -> Iterator[None]:
    """Let the server ask for a password in this database, which it does not do elsewhere; `known` has the URL."""
    url = sa.make_url(known.url)
    wrong = url.set(drivername="postgresql", password=PASSWORD).render_as_string(hide_password=False)
    name = url.database
    with closing(database.connect()) as administrator:
        ((file,),) = execute(administrator, "SHOW hba_file").fetchall()
        ((before,),) = execute(administrator, "SELECT pg_read_file(:file)", {"file": file}).fetchall()

        def write(text: str) -> None:
            lines = ", ".join(f"($kms${line}$kms$)" for line in text.splitlines() if line and not line.startswith("#"))
            administrator.execute(f"COPY (VALUES {lines}) TO '{file}'")
            administrator.execute("SELECT pg_reload_conf()")

        write(f"host {name} all all scram-sha-256\n{before}")
        try:
            deadline = time.monotonic() + 60
            while accepts(wrong):
                assert time.monotonic() < deadline, "the server has not read the file"
                time.sleep(0.05)
            yield
        finally:
            write(before)


@pytest.mark.only_on("postgresql")
def test_a_wrong_password_exits_3(database: Database) -> None:
    with login(database) as known:
        right = f":{sa.make_url(known.url).password}@"
        urls = {
            "correct the user name or the password": known.url.replace(right, f":{PASSWORD}@"),
            "give the password in the URL, in PGPASSWORD or in ~/.pgpass": known.url.replace(right, "@"),
        }
        with asking_for_passwords(database, known):
            for advice, url in urls.items():
                for command in ALL_COMMANDS:
                    told = kms_schema(*command.split(), url=url)
                    assert (told.status, told.out) == (3, "")
                    assert advice in told.error
                    assert PASSWORD not in told.all


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_a_database_that_is_not_there_exits_3(database: Database, command: str) -> None:
    told = kms_schema(*command.split(), url=f"{database.url}_not")
    assert (told.status, told.out) == (3, "")
    assert "create the database or the role, or correct the URL" in told.error


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_a_folder_or_a_file_that_is_not_there_exits_3_and_nothing_is_made(
    empty_database: Database, command: str, tmp_path: Path
) -> None:
    del empty_database
    urls = [f"sqlite:///{tmp_path}/none/kms.db", f"sqlite:///{tmp_path}", "sqlite://", "sqlite:///:memory:"]
    for url in urls if command == "upgrade" else [*urls, f"sqlite:///{tmp_path}/kms.db"]:
        told = kms_schema(*command.split(), url=url)
        assert (told.status, told.out) == (3, ""), url
        advice = (
            "create the folder first, or correct the path",
            "run: kms-schema upgrade",
            "sqlite:///path/to/file.db",
        )
        assert told.error.endswith((*advice, "name the file of the database"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.only_on("sqlite")
def test_a_file_that_may_only_be_read_exits_3(database: Database) -> None:
    path = sa.make_url(database.url).database
    read_only = f"sqlite:///file:{path}?mode=ro&uri=true"
    assert kms_schema("current", url=read_only).status == 0
    for command in ("downgrade 003", "stamp 004 --unverified"):
        told = kms_schema(*command.split(), url=read_only)
        assert (told.status, told.out) == (3, "")
        assert "make the file and its folder writable, or take another file" in told.error


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_a_file_that_is_no_database_exits_3(tmp_path: Path, engine_name: str, command: str) -> None:
    assert engine_name
    file = tmp_path / "kms.db"
    file.write_bytes(b"no database at all" * 300)
    told = kms_schema(*command.split(), url=f"sqlite:///{file}")
    assert (told.status, told.out) == (3, "")
    assert "file is not a database: take another file, or move this one away" in told.error
