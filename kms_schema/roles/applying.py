"""Run the SQL of the roles on a database."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from kms_schema.database.lock_holders import durable
from kms_schema.database.messages import LOCKED
from kms_schema.roles.statements import script

ATTEMPTS = 20
PAUSE_SECONDS = 0.5
"""The pause between two attempts, in which waiting sessions continue."""

# Lock timeout, deadlock, and concurrent changes of the same row of the catalog.
_AGAIN = frozenset({LOCKED, "40P01", "XX000"})


@dataclass(frozen=True)
class Applied:
    """The changes, each a line such as `kms_app: SELECT ON relation key_masters`."""

    granted: tuple[str, ...]
    revoked: tuple[str, ...]
    warnings: tuple[str, ...]
    """The changes that were not made, and the role that can make them."""
    unchanged: int
    """How many lines were there before, and still are."""


def apply(
    connection: psycopg.Connection[Any],
    *,
    schema: str = "public",
    prefix: str = "",
    owner: bool = False,
    waiting: Callable[[int], None] = lambda _attempt: None,
) -> Applied:
    """Create the group roles and grant their privileges, in one transaction.

    Parameters: an idle `connection` in autocommit mode, of a role with CREATEROLE that owns the tables, or of a
    superuser. `schema` is that of the tables, and `prefix` that of the role names. `owner` also makes the role
    kms_owner the owner. `waiting` is called with the number of each attempt that released its locks after a lock
    timeout. There are `ATTEMPTS`, `PAUSE_SECONDS` apart. Raises `ValueError` for names that cannot be used, and errors
    of psycopg.

        with psycopg.connect(url, autocommit=True) as connection:
            print(apply(connection, prefix="shop_").granted)
    """
    statements = script(schema, prefix, owner=owner)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _run(connection, statements)
        except psycopg.Error as error:
            if error.sqlstate not in _AGAIN or attempt == ATTEMPTS or connection.closed:
                raise
        waiting(attempt)
        time.sleep(PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _run(connection: psycopg.Connection[Any], statements: str) -> Applied:
    warnings: list[str] = []

    def collect(diagnostic: Any) -> None:
        warnings.append(str(diagnostic.message_primary))

    connection.add_notice_handler(collect)
    try:
        with connection.transaction():
            connection.execute(f"{durable()}; {statements}".encode(), prepare=False)
            [(changes,)] = connection.execute("SELECT current_setting('kms.privileges_changed')").fetchall()
    finally:
        connection.remove_notice_handler(collect)
    changed = json.loads(changes)
    return Applied(tuple(changed["granted"]), tuple(changed["revoked"]), tuple(warnings), changed["unchanged"])
