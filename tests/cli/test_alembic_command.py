"""The `alembic` command as people type it, in a process of its own: which database it takes, and how it fails."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.engines import Database
from support.engines.database import ALEMBIC_INI
from support.programs import python


def alembic(folder: Path, *arguments: str, url_of_environment: str | None = None, ini: Path = ALEMBIC_INI) -> str:
    """Run alembic in `folder`; return what it said on both streams, with its exit status as the last line."""
    environment = {name: value for name, value in os.environ.items() if name != "KMS_DATABASE_URL"}
    if url_of_environment is not None:
        environment["KMS_DATABASE_URL"] = url_of_environment
    done = python.run(
        [sys.executable, "-m", "alembic", "-c", str(ini), *arguments],
        cwd=folder,
        env=environment,
        stderr=subprocess.STDOUT,
    )
    return f"{done.stdout}\nexit status {done.returncode}"


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm", ".ini"))}


def ini_with(folder: Path, url_line: str) -> Path:
    """Write an alembic.ini like ours with another line for the URL."""
    text = ALEMBIC_INI.read_text().replace("%(here)s", str(ALEMBIC_INI.parent))
    text, replaced = re.subn(r"^sqlalchemy\.url = .*$", url_line, text, flags=re.MULTILINE)
    assert replaced == 1
    ini = folder / "own.ini"
    ini.write_text(text)
    return ini


def test_with_nothing_configured_the_database_is_kms_db_in_the_current_folder(tmp_path: Path) -> None:
    assert alembic(tmp_path, "upgrade", "003").endswith("exit status 0")
    assert files(tmp_path) == {"kms.db"}


@pytest.mark.parametrize(
    ("x_argument", "environment", "ini", "taken"),
    [
        ("sqlite:///x.db", "sqlite:///environment.db", "sqlite:///ini.db", "x.db"),
        (None, "sqlite:///environment.db", "sqlite:///ini.db", "environment.db"),
        (None, None, "sqlite:///ini.db", "ini.db"),
    ],
)
def test_the_first_of_x_argument_environment_and_ini_decides(
    tmp_path: Path, x_argument: str | None, environment: str | None, ini: str, taken: str
) -> None:
    chosen = ["-x", f"url={x_argument}"] if x_argument else []
    own = ini_with(tmp_path, f"sqlalchemy.url = {ini}")
    said = alembic(tmp_path, *chosen, "upgrade", "003", url_of_environment=environment, ini=own)
    assert said.endswith("exit status 0"), said
    assert files(tmp_path) == {taken}


def test_without_a_url_nothing_is_made(tmp_path: Path) -> None:
    said = alembic(tmp_path, "upgrade", "003", ini=ini_with(tmp_path, ""))
    assert "no database is named: give --database-url URL, or set KMS_DATABASE_URL" in said
    assert not said.endswith("exit status 0")
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:sec/ret@127.0.0.1:1/database",
        "sqlite:////no/such/folder/kms.db",
    ],
)
def test_a_url_that_leads_nowhere_is_said_without_a_traceback_or_a_password(tmp_path: Path, url: str) -> None:
    said = alembic(tmp_path, "-x", f"url={url}", "upgrade", "head")
    assert not said.endswith("exit status 0")
    assert "FAILED" in said
    assert "Traceback" not in said
    assert "secret" not in said
    assert "sec/ret" not in said


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "kms.db").write_bytes(b"no database at all" * 100)
    said = alembic(tmp_path, "upgrade", "head")
    assert "Traceback" not in said
    assert "cannot connect to sqlite:///kms.db: file is not a database" in said


def test_a_table_of_somebody_elses_is_one_sentence(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "kms.db")) as connection:
        connection.execute("CREATE TABLE key_masters (theirs)")
    said = alembic(tmp_path, "upgrade", "head")
    assert "Traceback" not in said
    assert "already exists (sqlite:///kms.db): it is not from these migrations" in said


@pytest.mark.parametrize("option", ["lock-wait", "lock-timeout-ms"])
def test_an_option_that_is_no_number_is_one_sentence(tmp_path: Path, option: str) -> None:
    said = alembic(tmp_path, "-x", f"{option}=soon", "upgrade", "head")
    assert "Traceback" not in said
    assert f"-x {option}=soon: write a number" in said
    assert files(tmp_path) == set()


def test_a_refused_downgrade_is_one_sentence(tmp_path: Path) -> None:
    alembic(tmp_path, "upgrade", "head")
    with closing(Database("sqlite", "sqlite", f"sqlite:///{tmp_path / 'kms.db'}").connect()) as connection:
        connection.execute(
            "INSERT INTO key_audit_logs (event_type, event_category, event_description, security_level)"
            " VALUES ('TEST', 'LIFECYCLE', 'something happened', 'LOW')"
        )
    said = alembic(tmp_path, "downgrade", "003")
    assert "Traceback" not in said
    assert "allow-audit-loss=yes" in said
    assert not said.endswith("exit status 0")
    assert alembic(tmp_path, "-x", "allow-audit-loss=yes", "downgrade", "003").endswith("exit status 0")
