"""Finds the anomalies of a database."""

import datetime as dt
import sqlite3
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.rules import RULES, RuleName

if TYPE_CHECKING:
    import psycopg


def find_anomalies(
    connection: "psycopg.Connection[Any] | sqlite3.Connection",
    since: dt.datetime,
    *,
    until: dt.datetime | None = None,
    schema: str = "public",
    rules: Collection[RuleName] = tuple(RuleName),
) -> list[Anomaly]:
    """Return the anomalies with an entry since a time, by rule and time. See docs/anomalies.md.

    - `connection`: of psycopg or sqlite3, idle or in a transaction; it is left as it was
    - `since`: an aware time. Days are judged whole, so the result of a day does not depend on it
    - `until`: an aware time, before which entries count; None for now
    """
    raise NotImplementedError


def count_anomalies(
    connection: "psycopg.Connection[Any] | sqlite3.Connection",
    since: dt.datetime,
    *,
    until: dt.datetime | None = None,
    schema: str = "public",
) -> dict[RuleName, int]:
    """Return the number of anomalies of every rule since a time: `find_anomalies`, counted, with 0 for none.

    The cost grows with the entries since `since`, not with the log: a minute's caching suits a metric.
    """
    found = dict.fromkeys(RULES, 0)
    for each in find_anomalies(connection, since, until=until, schema=schema):
        found[each.rule] += 1
    return found
