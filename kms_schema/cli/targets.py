"""The database that a command is given: the checks of a SQLite URL, and the error of exit status 3."""

from pathlib import Path

import click

from kms_schema.database.url import DatabaseUrl

_IN_MEMORY = "a database in memory is new and empty; name a file: sqlite:///path/to/file.db"


class CannotConnect(click.ClickException):
    """There is no connection, or the role lacks a privilege: exit status 3."""

    exit_code = 3


def existing_file(target: DatabaseUrl) -> Path:
    """Return the file of a SQLite database.

    Raises `CannotConnect` if there is no such file, since SQLite would create it, and if this user may not look for it.
    It is also raised for a database in memory, and for `immutable=1` beside a write-ahead log or journal, which SQLite
    would not read.
    """
    path = target.file
    if path is None:
        raise CannotConnect(_IN_MEMORY)
    try:
        found = path.is_file()
    except OSError as error:
        raise CannotConnect(f"cannot read {path}: {error.strerror}") from None
    if not found and path.exists():
        raise CannotConnect(f"{path} is not a file: name the file of the database")
    if not found:
        raise CannotConnect(f"there is no file {path}; to create the database there, run: kms-schema upgrade")
    if (unread := target.unread_changes()) is not None:
        raise CannotConnect(unread)
    return path


def refuse_memory(target: DatabaseUrl) -> None:
    """Raise `CannotConnect` for a SQLite database in memory, which ends with the command."""
    if target.engine == "sqlite" and target.file is None:
        raise CannotConnect(_IN_MEMORY)
