"""The database that a command is given: the checks of a SQLite URL, and the error of exit status 3."""

from pathlib import Path

import click

from kms_schema.database_url import DatabaseUrl


class CannotConnect(click.ClickException):
    """There is no connection, or the role lacks a privilege: exit status 3."""

    exit_code = 3


def existing_file(target: DatabaseUrl) -> Path:
    """Return the file of a SQLite database.

    Raises `CannotConnect` if there is no such file, since SQLite would create it, and for a database in memory.
    """
    refuse_memory(target)
    path = Path((target.database or "").removeprefix("file:"))
    if not path.is_file():
        raise CannotConnect(f"there is no file {path}; to create the database there, run: kms-schema upgrade")
    return path


def refuse_memory(target: DatabaseUrl) -> None:
    """Raise `CannotConnect` for a SQLite database in memory, which ends with the command."""
    if target.engine == "sqlite" and target.database in (None, "", ":memory:"):
        raise CannotConnect("a database in memory is new and empty; name a file: sqlite:///path/to/file.db")
