"""A file of SQLite that is damaged, locked, unreadable or gone: status 3, what it is, and what to do."""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
import pytest

from kms_schema.cli.connections import connected
from support.engines import Database
from support.programs.installed import kms_schema

pytestmark = pytest.mark.only_on("sqlite")

NOBODY = 65534


def cut(size: int) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, size)


def overwrite(start: int, end: int, byte: bytes) -> Callable[[Path], None]:
    def act(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[start:end] = byte * (end - start)
        file.write_bytes(content)

    return act


def text_of_a_table(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = on")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE \x1b[2J(' WHERE name = 'key_masters'")


DAMAGES = {
    "cut in the middle": (cut(40_000), "malformed; restore the file from a backup"),
    "cut in the header": (cut(50), "restore the file from a backup|file is not a database; name another file"),
    "noise for a header": (overwrite(0, 100, b"x"), "file is not a database; name another file"),
    "no tables": (overwrite(100, 900, b"\0"), "malformed; restore the file from a backup"),
    "noise for the schema": (overwrite(4096, 24576, b"\xff"), "malformed; restore the file from a backup"),
    "text that is no SQL": (text_of_a_table, r"malformed database schema .*\\u001b"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_file(database: Database, tmp_path: Path, damage: tuple[Callable[[Path], None], str]) -> None:
    file = copy_of(database, tmp_path)
    act, said = damage
    act(file)
    done = kms_schema("validate", "--database-url", f"sqlite:///{file}")
    assert (done.returncode, done.stdout) == (3, "")
    assert re.search(said, done.stderr)
    assert "\x1b" not in done.stderr


def copy_of(database: Database, folder: Path, journal_mode: str = "delete") -> Path:
    """Copy the database into one file."""
    file = folder / "kms.db"
    with closing(database.connect()) as source, closing(sqlite3.connect(file, isolation_level=None)) as target:
        assert isinstance(source, sqlite3.Connection)
        source.backup(target)
        target.execute(f"PRAGMA journal_mode = {journal_mode}")
    return file


def test_a_journal_that_a_crash_left(database: Database, tmp_path: Path) -> None:
    """The next connection must roll the journal back, but the validator does not write."""
    file, crashed = copy_of(database, tmp_path), tmp_path / "crashed.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE large AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
            " SELECT i, hex(randomblob(50)) FROM n"
        )
        for suffix in ("", "-journal"):
            shutil.copy(f"{file}{suffix}", f"{crashed}{suffix}")
    done = kms_schema("validate", "--database-url", f"sqlite:///{crashed}")
    assert (done.returncode, done.stdout) == (3, "")
    assert "the journal of a crash" in done.stderr


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_folder_that_may_not_be_written(database: Database, journal_mode: str) -> None:
    """Without a write-ahead log that is no hindrance; with one SQLite has to make a file beside it."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    try:
        file = copy_of(database, folder, journal_mode)
        file.chmod(0o444)
        folder.chmod(0o555)
        if journal_mode == "delete":
            assert as_nobody(lambda: open_and_read(file)) == "read"
        else:
            assert "write-ahead log" in as_nobody(lambda: open_and_read(file))
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def open_and_read(file: Path) -> str:
    try:
        with connected(f"sqlite:///{file}") as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema")
    except click.ClickException as error:
        return error.message
    return "read"


def as_nobody(act: Callable[[], str]) -> str:
    """Call `act` without the privileges of root, which can write every folder."""
    if os.geteuid() != 0:
        return act()
    os.seteuid(NOBODY)
    try:
        return act()
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_vanishes_while_it_is_read(database: Database, tmp_path: Path, replaced: bool) -> None:
    file = copy_of(database, tmp_path)
    with pytest.raises(click.ClickException, match="removed or replaced while it was read") as raised:
        read_and_move(file, tmp_path / "moved.db", lambda: replaced and copy_of(database, tmp_path))
    assert raised.value.exit_code == 3


def read_and_move(file: Path, to: Path, then: Callable[[], object]) -> None:
    with connected(f"sqlite:///{file}") as connection:
        assert connection.execute("SELECT count(*) FROM key_masters") is not None
        file.rename(to)
        then()
