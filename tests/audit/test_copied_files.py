"""Copies of a SQLite file: those that SQLite makes are homes of the trail; one without its log has lost the tail."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kms_schema.audit.storage.stored_seals import StoredSeal
from support.engines import Database
from support.engines.sqlite_shell import install_sqlite_shell
from support.programs.commands import Said, kms_schema
from support.reports import found, report_on
from support.rows.population import populate
from tests.audit.trails import checkpoint_of, is_whole, seal_all, verified, write

pytestmark = pytest.mark.only_on("sqlite")


@dataclass(frozen=True)
class Source:
    """A file whose first seal is in it, and whose second is in its write-ahead log alone."""

    connection: sqlite3.Connection
    path: Path
    seals: list[StoredSeal]
    copy: Database

    @property
    def target(self) -> Path:
        return Path(self.copy.name)

    def copy_file(self, suffix: str = "") -> None:
        shutil.copyfile(f"{self.path}{suffix}", f"{self.target}{suffix}")


@pytest.fixture
def source(database: Database, tmp_path: Path) -> Iterator[Source]:
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA synchronous = off")
        populate(connection)
        seals = seal_all(connection)
        connection.execute("PRAGMA wal_checkpoint(truncate)")
        write(connection, 300)
        seals += seal_all(connection)
        write(connection, 2)
        copy = Database(database.engine_name, "sqlite", f"sqlite:///{tmp_path / 'copy.db'}")
        yield Source(connection, Path(database.name), seals, copy)


def backup(source: Source) -> None:
    """What `.backup` of the shell is."""
    with closing(sqlite3.connect(source.target)) as target:
        source.connection.backup(target)


def vacuum_into(source: Source) -> None:
    source.connection.execute("VACUUM INTO ?", (str(source.target),))


def dump(source: Source) -> None:
    """`sqlite3 kms.db .dump | sqlite3 copy.db`"""
    shell = install_sqlite_shell(source.target.parent)
    with source.target.with_suffix(".sql").open("w+b") as script:
        subprocess.run([str(shell), str(source.path), ".dump"], stdout=script, check=True)
        script.seek(0)
        subprocess.run([str(shell), "-bail", str(source.target)], stdin=script, check=True)


def file_and_log(source: Source) -> None:
    """Nobody writes meanwhile."""
    source.copy_file()
    source.copy_file("-wal")


HOMES = {"backup": backup, "VACUUM INTO": vacuum_into, ".dump": dump, "file and log": file_and_log}


@pytest.mark.parametrize("way", HOMES)
def test_a_copied_file_goes_on(source: Source, way: str) -> None:
    HOMES[way](source)
    seals = list(source.seals)
    with closing(source.copy.connect()) as connection:
        assert verified(connection).unsealed == 2
        seals += seal_all(connection)
        write(connection, 1)
        seals += seal_all(connection)
    is_whole(source.copy, tuple(map(checkpoint_of, seals)))
    assert found(report_on(source.copy, level="data")) == []


def verified_with(source: Source, folder: Path, *kept: StoredSeal) -> Said:
    """Run `audit verify` on the copy with the checkpoints that were kept of some seals."""
    options: list[str] = []
    for each in kept:
        file = folder / f"{each.number}-{each.tree_size}.txt"
        file.write_text(str(each.note()), encoding="utf-8")
        options += ["--checkpoint", str(file)]
    return kms_schema("audit", "verify", *options, url=source.copy.url)


def test_a_file_without_its_log_has_lost_the_tail_and_a_checkpoint_alone_shows_it(
    source: Source, tmp_path: Path
) -> None:
    source.copy_file()
    first, second = source.seals
    assert verified_with(source, tmp_path).status == 0
    assert verified_with(source, tmp_path, first).status == 0
    shown = verified_with(source, tmp_path, first, second)
    assert shown.status == 1
    assert f"a checkpoint is of {second.tree_size} leaves" in shown.out
    assert "the trail was cut" in shown.out


def test_a_file_and_a_wal_of_different_times_do_not_verify(source: Source, tmp_path: Path) -> None:
    """What a program copies that takes the file first, while others write and SQLite brings the log into the file."""
    source.copy_file()
    source.connection.execute("PRAGMA wal_checkpoint(restart)")
    write(source.connection, 2)
    source.seals.extend(seal_all(source.connection))
    source.copy_file("-wal")
    assert verified_with(source, tmp_path, *source.seals).status in {1, 3}  # not what was sealed, or no database


def test_of_two_copies_that_are_both_sealed_each_refuses_the_checkpoints_of_the_other(
    source: Source, tmp_path: Path
) -> None:
    backup(source)
    with closing(source.copy.connect()) as connection:
        write(connection, 1)
        ours = seal_all(connection)
    write(source.connection, 1)
    theirs = seal_all(source.connection)
    assert verified_with(source, tmp_path, *source.seals, *ours).status == 0
    shown = verified_with(source, tmp_path, *source.seals, *theirs)
    assert (shown.status, "NOT SOUND" in shown.out) == (1, True)
