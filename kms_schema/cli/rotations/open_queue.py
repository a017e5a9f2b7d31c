"""The queue of the commands of `kms-schema rotations`."""

import sqlite3
from collections.abc import Iterator

from kms_schema.cli.openers import Opening, opener
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.rotations import RotationQueue, open_queue


@opener
def as_queue(opening: Opening) -> Iterator[RotationQueue]:
    """Open the queue. Without `writing`, nothing can be changed."""
    with opening.connected(of_values=True) as connection:
        if isinstance(connection, sqlite3.Connection):  # the queue joins a transaction; its own would lock the file
            connection.execute("PRAGMA foreign_keys = ON" if opening.writing else "BEGIN")
        yield open_queue(connection, opening.schema, LOCK_WAIT_SECONDS)
