"""The files of a SQLite database as a killed process leaves them."""

import shutil
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from support.engines import Database, Engine
from support.statements import execute

JOURNALS = ("-wal", "-journal")

HOT = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
"""What a rollback journal begins with until its transaction has ended (sqlite.org/fileformat.html, section 3)."""


def copy_as_left(engine: Engine, database: Database) -> Database:
    """Return a copy with its journals: whoever looks at the database itself would recover it."""
    copy = engine.create()
    for suffix in ("", *JOURNALS):
        if _path(database, suffix).exists():
            shutil.copyfile(_path(database, suffix), _path(copy, suffix))
    return copy


def must_be_recovered(database: Database) -> bool:
    """Whether a journal says what the file itself does not: a write-ahead log, or a hot rollback journal."""
    log, journal = (_path(database, suffix) for suffix in JOURNALS)
    return (log.exists() and log.stat().st_size > 0) or (journal.exists() and journal.read_bytes()[:8] == HOT)


def use_rollback_journal(database: Database) -> None:
    """Give up the write-ahead log, which a file has once this package has opened it."""
    with closing(database.connect()) as connection:
        assert execute(connection, "PRAGMA journal_mode = DELETE").fetchone() == ("delete",)


def _path(database: Database, suffix: str) -> Path:
    name = sa.make_url(database.url).database
    assert name is not None
    return Path(f"{name}{suffix}")
