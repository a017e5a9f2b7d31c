"""Upgrades that wait for what others hold."""

import time
from collections.abc import Callable

from support.engines import Database

WAIT_SECONDS = 120


def bring_below(database: Database, direction: str) -> None:
    """Bring the database to where `direction` begins: a downgrade with the revision that takes the views away."""
    if direction == "downgrade":
        database.alembic("upgrade", "006")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)
