"""P6: upgrade of a database in use from 004 to 005: no statement of its clients fails, and no write waits for long."""

import time

import click

from benchmarks.places import AT_004, Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import Times
from support.concurrency.clients import ROUNDS, Clients, Timed
from support.programs.alembic_processes import start_alembic

BEFORE_SECONDS = 3.0
"""Seconds for which clients are observed before the upgrade, to measure their usual waits."""
PAUSE_SECONDS = 0.01
"""Seconds between two rounds of a client."""
WRITERS = set(ROUNDS) - {"read"}


def measure(places: Places) -> list[Measured]:
    """Upgrade once, with the real program, while six clients work: one upgrade is one measurement."""
    with (
        places.copies([places.scale.longest], AT_004) as (database,),
        Clients(database, pause_seconds=PAUSE_SECONDS) as clients,
    ):
        waited_since = time.monotonic()
        clients.await_each()
        time.sleep(BEFORE_SECONDS if places.scale.name != "tiny" else 0)
        began = time.monotonic()
        process = start_alembic(database.url, "upgrade", "005")
        output = process.communicate()[1]
        ended = time.monotonic()
        if process.returncode:
            raise click.ClickException(f"the upgrade that was to be measured failed: {output}")
        clients.await_each(ended)
    return measured(clients, waited_since, began, ended, places.scale.longest.events)


def measured(clients: Clients, waited_since: float, began: float, ended: float, events: int) -> list[Measured]:
    """Return the waits and errors of the clients of an upgrade."""
    longest = clients.longest(began, ended, WRITERS)
    stalled = longest.seconds * 1000
    during = [each for each in clients.done if began <= each.began <= ended]
    times = {
        "upgrade": Times(((ended - began) * 1000,)),
        "longest write during it": Times((stalled,)),
        "longest write before it": Times((clients.longest(waited_since, began, WRITERS).seconds * 1000,)),
    }
    what = f"upgrade to 005 over {events} entries"
    return [
        Measured(f"{what}: failed statements of {len(during)}", _failed(during), Limit(0), times),
        Measured(f"{what}: longest stall of a write", stalled, Limit(200, unit=" ms"), times, plan=_named(longest)),
    ]


def _named(statement: Timed) -> str:
    """Return the statement in a short form."""
    return " ".join(statement.statement.split()[:3]).partition("(")[0]


def _failed(statements: list[Timed]) -> int:
    return sum(each.fault is not None for each in statements)
