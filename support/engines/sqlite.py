"""SQLite: the library that this process has loaded, a file for each database."""

import os
import shutil
import sqlite3
import tempfile
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from support.engines.database import Database
from support.engines.unavailable import EngineUnavailableError

ROOM = 4 * 2**30
"""Bytes that the databases of all processes fit into."""


class SqliteEngine:
    """Databases in a temporary folder."""

    dialect = "sqlite"

    def __init__(self, name: str) -> None:
        """Take `sqlite` for any version, `sqlite-<version>` for one; raises `EngineUnavailableError`."""
        wanted = name.removeprefix("sqlite").removeprefix("-")
        if wanted and wanted != sqlite3.sqlite_version:
            raise EngineUnavailableError(
                f"this process has SQLite {sqlite3.sqlite_version}, not {wanted}: start it with"
                f" LD_LIBRARY_PATH set to what `python -m support.engines.install {name}` prints"
            )
        self.name = name
        self._folder = tempfile.TemporaryDirectory(prefix="kms-sqlite-", dir=_folder_in_memory())
        self._names = (Path(self._folder.name) / f"{number}.db" for number in count())

    def create(self, template: Database | None = None) -> Database:
        """Make a database: an empty one, or a copy of `template`, which nobody may be writing to."""
        path = next(self._names)
        if template is not None:
            shutil.copyfile(_path(template), path)
        return Database(self.name, "sqlite", f"sqlite:///{path}")

    def drop(self, database: Database) -> None:
        """Remove a database's files."""
        for path in _path(database).parent.glob(f"{_path(database).name}*"):
            path.unlink()

    def roles_left(self) -> list[str]:
        """Return nothing: SQLite has no roles."""
        return []

    def close(self) -> None:
        """Remove all that is left."""
        self._folder.cleanup()


def _folder_in_memory() -> str | None:
    """Return a folder where a commit does not wait for a disk, if there is one with room. Tests kill processes only."""
    memory = "/dev/shm"  # noqa: S108  SqliteEngine makes a folder of a random name in it
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        return memory
    return None


def _path(database: Database) -> Path:
    path = sa.make_url(database.url).database
    assert path is not None
    return Path(path)
