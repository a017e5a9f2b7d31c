"""Run the SQL of the roles on a live database."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from kms_schema.roles.statements import script

ATTEMPTS = 20
PAUSE_SECONDS = 0.5
"""Between two attempts, when those that waited for us go on."""

# A lock that was not to be had in time, a deadlock, and two that changed the same row of the catalog.
_AGAIN = frozenset({"55P03", "40P01", "XX000"})


@dataclass(frozen=True)
class Applied:
    """What is different now, each a line such as `kms_app: SELECT ON relation key_masters`."""

    granted: tuple[str, ...]
    revoked: tuple[str, ...]
    warnings: tuple[str, ...]
    """What could not be done and by whom it can be."""


def apply(
    connection: psycopg.Connection[Any],
    *,
    schema: str = "public",
    prefix: str = "",
    owner: bool = False,
    waiting: Callable[[int], None] = lambda _attempt: None,
) -> Applied:
    """Make the roles and give them their rights, in one transaction of an idle connection in autocommit mode.

    A lock that is not to be had at once is let go and tried again, `ATTEMPTS` times; `waiting` is told which attempt
    failed. Raises `ValueError` for names that cannot be used, and psycopg's errors.
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

    def heard(diagnostic: Any) -> None:
        warnings.append(str(diagnostic.message_primary))

    connection.add_notice_handler(heard)
    try:
        with connection.transaction():
            connection.execute(statements.encode())
            [(rights,)] = connection.execute("SELECT current_setting('kms.privileges_changed')").fetchall()
    finally:
        connection.remove_notice_handler(heard)
    changed = json.loads(rights)
    return Applied(tuple(changed["granted"]), tuple(changed["revoked"]), tuple(warnings))
