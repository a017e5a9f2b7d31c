"""Values for the hot queries: keys in proportion to their use, and times of the data.

The queries and their indexes are those of `support/workload`; tests check their plans.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.data.events import popularity
from support.engines import Database
from support.statements import execute

FEW, MANY = 3, 40
"""Executions of a query with different values: of queries that read much, and of queries for one key."""

BY_KEY = "SELECT id FROM key_masters WHERE status <> 'pending' AND key_type <> 'kek' ORDER BY {number}, key_id"
NUMBER = {
    "postgresql": "CAST(split_part(key_id, '-', 2) AS integer)",
    "sqlite": "CAST(substr(key_id, 1 + instr(key_id, '-')) AS integer)",
}
HANDLES = "SELECT hsm_provider, hsm_key_id FROM key_masters WHERE hsm_provider IS NOT NULL ORDER BY key_id"
WRAPPERS = "SELECT wrapped_by_version_id FROM key_versions WHERE wrapped_by_version_id IS NOT NULL ORDER BY id LIMIT 99"
NEWEST_SEALED = 1_000
"""Entries that sealing reads at a time."""


class Sampler:
    """Values for queries."""

    def __init__(self, database: Database, seed: int) -> None:
        """Read the possible values."""
        self.random = Random(f"{seed} queries")
        self.now = dt.datetime.now(dt.UTC)
        with closing(database.connect()) as connection:
            keys = execute(connection, BY_KEY.format(number=NUMBER[database.dialect])).fetchall()
            self.handles = execute(connection, HANDLES).fetchall()
            self.wrappers = [wrapper for (wrapper,) in execute(connection, WRAPPERS).fetchall()]
            self.names = dict(execute(connection, "SELECT id, key_id FROM key_masters").fetchall())
            ((self.last_sequence,),) = execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchall()
        self.keys = [key for (key,) in keys]
        self.weights = popularity(len(self.keys))

    def key(self) -> Any:
        """Return the id of a key, in proportion to its use."""
        return self.random.choices(self.keys, cum_weights=self.weights)[0]

    def name(self) -> str:
        """Return the name of a key, in proportion to its use."""
        return str(self.names[self.key()])

    def ago(self, *days: float) -> dt.datetime:
        """Return a time within a range of days ago."""
        return self.now - dt.timedelta(days=self.random.uniform(*days) if len(days) > 1 else days[0])

    def page_of_key(self) -> dict[str, Any]:
        """Return the position from which a page of a key's history goes back."""
        return {"key": self.key(), "before": self.ago(0, 60), "id": uuid.UUID(int=0)}


@dataclass(frozen=True)
class Asked:
    """The values of a query, and the number of executions of each round."""

    values: Callable[[Sampler], dict[str, Any]]
    times: int = MANY

    def samples(self, sampler: Sampler) -> Sequence[dict[str, Any]]:
        """Return the values of a query."""
        return [self.values(sampler) for _ in range(self.times)]


def _named(sampler: Sampler) -> dict[str, Any]:
    return {"name": sampler.name()}


def _of_key(sampler: Sampler) -> dict[str, Any]:
    return {"key": sampler.key()}


def _day(sampler: Sampler) -> dict[str, Any]:
    return {"since": sampler.ago(1)}


def _week(sampler: Sampler) -> dict[str, Any]:
    return {"since": sampler.ago(28), "until": sampler.ago(21)}


def _now(sampler: Sampler) -> dict[str, Any]:
    return {"now": sampler.now}


ASKED: dict[str, Asked] = {
    "fetch a key by its name": Asked(_named),
    "fetch a key and its live version": Asked(_named),
    "decrypt with an old version": Asked(lambda of: {"key": of.key(), "version": of.random.randint(1, 10)}),
    "the versions of a key, newest first": Asked(_of_key),
    "keys of a type and status, newest first, a page": Asked(
        lambda of: {"before": of.ago(0, 900), "name": of.name()},
    ),
    "keys of a status, counted by type": Asked(lambda _: {}, FEW),
    "keys about to expire": Asked(lambda of: {"soon": of.ago(-7)}, FEW),
    "keys that an HSM holds": Asked(
        lambda of: dict(zip(("provider", "handle"), of.random.choice(of.handles), strict=True)), FEW
    ),
    "rotations of a key, newest first, a page": Asked(Sampler.page_of_key),
    "the next rotation to claim": Asked(_now, FEW),
    "what is scheduled": Asked(_now, FEW),
    "the open rotation of a key": Asked(_of_key),
    "rotations that failed lately": Asked(_day, FEW),
    "keys whose rotations failed lately": Asked(_day, FEW),
    "entries of a key, newest first, a page": Asked(Sampler.page_of_key),
    "entries of a key and type, newest first, a page": Asked(Sampler.page_of_key),
    "events of high risk, newest first": Asked(_day, FEW),
    "events of a day that the health of keys counts": Asked(_day, FEW),
    "a report on a week": Asked(_week, FEW),
    "entries of a week and a type": Asked(_week, FEW),
    "entries since a number, as sealing reads them": Asked(
        lambda of: {"number": of.last_sequence - NEWEST_SEALED}, FEW
    ),
    "whether a version wraps any, before it is destroyed": Asked(lambda of: {"wrapper": of.random.choice(of.wrappers)}),
    "what a root key wraps": Asked(lambda _: {}, FEW),
}
"""Values by the names of the queries."""

ELSEWHERE = {
    "count use and bytes": "P11",
    "a page of the health of keys": "P1",
    "the keys in the worst health": "P1",
}
"""Queries that other targets measure."""
