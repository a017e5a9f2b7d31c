"""What stops a migration is one clear sentence with what to do next and its exit status; a password is never in it."""

import os
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.util import CommandError

from kms_schema.cli.migrations import _as_options, downgrade, upgrade
from support.engines import Database
from support.engines.database import Connection
from support.engines.programs import REPOSITORY
from support.login_roles import login
from support.programs.commands import Said, kms_schema
from support.revisions import revisions
from support.statements import execute
from tests.cli.migration_commands import ALL_COMMANDS, PASSWORD


@dataclass(frozen=True)
class Fault:
    """A URL, and what is said of it."""

    url: str
    status: int
    said: str
    advice: str


def on_nobody(password: str = PASSWORD, *, host: str = "127.0.0.1", port: str = "1", rest: str = "kms") -> str:
    """Return the URL of a server that is not there: nothing listens on port 1."""
    return f"postgresql://me:{password}@{host}:{port}/{rest}"


WRONG_URLS = {
    "no URL": Fault("kms.db", 2, "not a database URL", "write postgresql://user@host:5432/database or sqlite:"),
    "another engine": Fault("mysql://me:hunter2@localhost/kms", 2, "is not supported", "write postgresql://"),
    "another driver": Fault(
        "postgresql+asyncpg://me:hunter2@localhost/kms", 2, "is not supported", "use postgresql+psycopg://"
    ),
    "a port that is none": Fault(
        on_nobody(port="x"), 2, "not a PostgreSQL URL", "its port is not a number from 1 to 65535"
    ),
    "a password that is not encoded": Fault(on_nobody("hunter2#x"), 2, "it has an @ after the host", "write @ as %40"),
    "two slashes for a file": Fault(
        "sqlite://kms.db", 2, "names a host", "a file has three slashes: sqlite:///path/to/file.db"
    ),
}
NO_CONNECTION = {
    "refused": Fault(on_nobody(), 3, "me:***@127.0.0.1:1/kms: ", "check that the server runs"),
    "refused, a password in the query": Fault(
        "postgresql://me@127.0.0.1:1/kms?password=hunter2&sslpassword=hunter2",
        3,
        "postgresql://me@127.0.0.1:1/kms: ",
        "check that the server",
    ),
    "an unencoded @": Fault(on_nobody("hun@hunter2"), 3, "me:***@127.0.0.1:1/kms", "check that the server runs"),
    "an encoded password": Fault(on_nobody("hunter2%40%23%2F"), 3, "me:***@127.0.0.1", "check that the server runs"),
    "unknown host": Fault(on_nobody(host="no.such.host.invalid"), 3, "no.such.host.invalid", "correct the host's name"),
    "unknown parameter": Fault(
        on_nobody(rest="kms?speed=high"), 2, "a parameter that the driver does not know", "@ as %40"
    ),
    "unknown sslmode": Fault(on_nobody(rest="kms?sslmode=high"), 3, "invalid sslmode value", "correct the URL"),
}


def in_one_sentence(said: Said, fault: Fault) -> None:
    assert said.status == fault.status, said.all
    assert said.out == ""
    assert fault.said in said.error
    assert fault.advice in said.error
    assert "hunter2" not in said.all
    assert "%40%23" not in said.all


def each_fault() -> list[Any]:
    """Return each fault with each command; without --full, with one of the commands in turn."""
    faults = {**WRONG_URLS, **NO_CONNECTION}
    return [
        pytest.param(
            faults[name],
            command,
            id=f"{name}-{command}",
            marks=() if number % len(ALL_COMMANDS) == place else pytest.mark.full,
        )
        for number, name in enumerate(faults)
        for place, command in enumerate(ALL_COMMANDS)
    ]


@pytest.mark.parametrize(("fault", "command"), each_fault())
def test_a_url_that_leads_nowhere(fault: Fault, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    in_one_sentence(kms_schema(*command.split(), url=fault.url), fault)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["upgrade", "current"])
def test_a_url_of_the_environment_is_told_likewise(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alembic.ini").write_text(f"[alembic]\nsqlalchemy.url = {on_nobody()}\n")
    monkeypatch.chdir(tmp_path)
    in_one_sentence(kms_schema(command), NO_CONNECTION["refused"])


def test_an_error_that_nobody_foresaw_shows_no_password_in_its_traceback(tmp_path: Path) -> None:
    breaks = (
        "import kms_schema.engine, kms_schema.cli\n"
        "import sqlalchemy as sa\n"
        "def fails(self): raise RuntimeError(f'cannot use {self!r} or {self.url}')\n"
        "sa.Engine.connect = fails\n"
        "kms_schema.cli.main(['upgrade'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", breaks],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KMS_DATABASE_URL": on_nobody()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RuntimeError: cannot use Engine(postgresql+psycopg://me:***@" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_messages_name_options_that_the_commands_have() -> None:
    texts = (file.read_text(encoding="utf-8") for file in (REPOSITORY / "kms_schema").rglob("*.py"))
    named = {name for text in texts for name in re.findall(r"-x ([a-z-]+)=[^}]", text)}
    of_alembic = {f"-x {name}=…" for name in named if name != "name"}
    assert {"-x url=…", "-x lock-wait=…"} <= of_alembic
    options = {name for each in (upgrade, downgrade) for option in each.params for name in option.opts}
    assert {_as_options(each).split()[0] for each in of_alembic} <= options


WRONG_USAGE = {
    "downgrade": "Missing argument 'REVISION'",
    "upgrade 999": "Can't locate revision identified by '999'; the command `history` lists",
    "downgrade nonsense": "Can't locate revision identified by 'nonsense'; the command `history` lists",
    "stamp 999": "Can't locate revision identified by '999'; the command `history` lists",
    "upgrade +9": "the command `history` lists",
    "upgrade 003:004": "Range revision not allowed",
    "sql 999": "Can't locate revision identified by '999'; the command `history` lists",
    "sql --down 004": "a script that goes down needs both ends, such as head:004",
    "sql 005:004": "005:004 goes down: say so with --down",
    "sql head:base": "head:base goes down: say so with --down",
    "sql --down 004:005": "the command `history` lists",
    "sql --output /no/such/folder/upgrade.sql": "cannot write /no/such/folder/upgrade.sql: the folder /no/such",
    "upgrade --schema Kms": "schema=Kms: write a name of lower-case letters",
    "upgrade --schema pg_kms": "that PostgreSQL does not reserve",
    "upgrade --version-table a.b": "version-table=a.b: write a name of lower-case letters",
    f"upgrade --version-table {'a' * 60}": "write a name of at most 59 characters",
    "upgrade --lock-wait soon": "'soon' is not a valid float",
    "upgrade --lock-wait -1": "lock-wait is a number of seconds from 0",
    "upgrade --lock-wait inf": "lock-wait is a number of seconds from 0",
    "upgrade --lock-timeout-ms 0": "a number of milliseconds from 1",
    "upgrade --lock-timeout-ms 99999999999": "a number of milliseconds from 1 to 2147483647",
    "current --format xml": "'xml' is not one of",
    "history surplus": "unexpected extra argument",
    "upgrades": "No such command 'upgrades'",
    "upgrade --no-such-option": "No such option",
}


def test_wrong_usage_exits_2(database: Database) -> None:
    for words, said in WRONG_USAGE.items():
        arguments = words.split()
        connects = arguments[0] in {"upgrade", "downgrade", "stamp", "current", "sql"}
        told = kms_schema(*arguments, url=database.url if connects else None)
        assert (told.status, told.out) == (2, ""), words
        assert said in told.error, words
    assert kms_schema("validate", url=database.url).status == 0


@pytest.mark.only_on("sqlite")
def test_a_schema_on_sqlite_is_wrong_usage(database: Database) -> None:
    told = kms_schema("upgrade", "--schema", "kms", url=database.url)
    assert told.status == 2
    assert "SQLite has no schemas; leave it out" in told.error


def stamp(connection: Connection, *revisions: str) -> None:
    execute(connection, "DELETE FROM alembic_version")
    for revision in revisions:
        execute(connection, "INSERT INTO alembic_version VALUES (:revision)", {"revision": revision})


@pytest.mark.parametrize("revision", ["099_of_tomorrow", "ae1027a6acf"])
def test_a_newer_database_and_another_applications_are_left_alone(database: Database, revision: str) -> None:
    with closing(database.connect()) as connection:
        stamp(connection, revision)
        for command in ALL_COMMANDS:
            told = kms_schema(*command.split(), url=database.url)
            assert (told.status, told.out) == (1, ""), command
            assert f"alembic_version has the unknown revision '{revision}'" in told.error
            assert "install the newer version that was used here" in told.error
            assert "apart from another application's with --version-table kms_alembic_version" in told.error
        stamp(connection, revisions()[-1])
    assert kms_schema("validate", url=database.url).status == 0


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_a_version_table_that_is_not_alembics_is_one_sentence(empty_database: Database, command: str) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE alembic_version (release varchar(10))")
    told = kms_schema(*command.split(), url=empty_database.url)
    assert (told.status, told.out) == (1, "")
    assert "version_num" in told.error
    assert "the table is not Alembic's: rename it" in told.error


@pytest.mark.only_on("postgresql")
def test_what_depends_on_what_goes_is_named(database: Database) -> None:
    """SQLite keeps a view of a table that is gone."""
    with closing(database.connect()) as connection:
        execute(connection, "CREATE VIEW of_ours AS SELECT key_id FROM key_masters")
        execute(connection, "CREATE VIEW of_theirs AS SELECT key_id FROM key_masters")
        told = kms_schema("downgrade", "base", url=database.url)
        assert (told.status, told.out) == (1, "")
        dependents = "view of_ours depends on table key_masters, view of_theirs depends on table key_masters"
        assert f"because other objects depend on it: {dependents} (" in told.error
        assert "drop or alter that first" in told.error
        execute(connection, "DROP VIEW of_ours")
        execute(connection, "DROP VIEW of_theirs")
    assert kms_schema("upgrade", url=database.url).status == 0
    assert kms_schema("validate", url=database.url).status == 0


@pytest.mark.parametrize("command", ["upgrade", "downgrade base", "stamp head", "current"])
@pytest.mark.only_on("postgresql")
def test_a_missing_right_exits_3(database: Database, command: str) -> None:
    with login(database) as poor:
        password = sa.make_url(poor.url).password
        told = kms_schema(*command.split(), url=poor.url)
        assert (told.status, told.out) == (3, "")
        assert "permission denied for table alembic_version" in told.error
        assert "migrate as the role that owns the schema" in told.error
        assert str(password) not in told.all


@pytest.mark.only_on("postgresql")
def test_a_schema_that_may_not_be_made_exits_3(empty_database: Database) -> None:
    with login(empty_database) as poor:
        for options in (["--schema", "kms"], []):
            with closing(empty_database.connect()) as connection:
                execute(connection, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            told = kms_schema("upgrade", *options, url=poor.url)
            assert told.status == 3
            assert "permission denied for" in told.error
            assert "GRANT kms_owner TO kms_migrator; or grant this role CREATE on the schema" in told.error


def test_alembic_itself_refuses_an_option_that_there_is_not(database: Database) -> None:
    with pytest.raises(CommandError, match="unknown option -x shcema=…; the options are url, schema, version-table"):
        database.alembic("-x", "shcema=kms", "upgrade", "head")


def test_alembic_itself_names_its_own_options_in_advice(database: Database) -> None:
    with closing(database.connect()) as connection:
        stamp(connection, "ae1027a6acf")
    with pytest.raises(CommandError, match="-x version-table=kms_alembic_version"):
        database.alembic("upgrade", "head")
