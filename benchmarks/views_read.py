"""P1: reading the dashboard and pages of the health monitor, in elapsed time."""

import datetime as dt
from contextlib import ExitStack, closing
from functools import partial

from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured, over
from benchmarks.timing import in_turn
from support.engines.database import Connection
from support.statements import dialect_of, execute

READS_EACH = 10
"""Reads of materialized views for each repetition: a 95th percentile needs several."""
AGGREGATED = 3
"""The number of slow aggregations of raw entries."""
LIMIT = Limit(5, unit=" ms")
DASHBOARD = "SELECT * FROM key_management_dashboard"
PAGES = {
    "a page of the health monitor, by id": "SELECT * FROM key_health_monitor WHERE id > :after ORDER BY id LIMIT 50",
    "the 50 worst keys of the health monitor": (
        "SELECT * FROM key_health_monitor WHERE health_score < 100 ORDER BY health_score, key_id LIMIT 50"
    ),
}
MIDDLE = "80000000-0000-4000-8000-000000000000"
DAY = {"postgresql": "(\"timestamp\" AT TIME ZONE 'UTC')::date", "sqlite": 'substr("timestamp", 1, 10)'}
RAW = """SELECT {day}, event_category, security_level, count(*), avg(risk_score), max(risk_score)
FROM key_audit_logs WHERE "timestamp" >= :since GROUP BY 1, 2, 3"""


def measure(places: Places) -> list[Measured]:
    """Read in turn from histories of each length; the limits apply to the longest."""
    longest = places.scale.longest
    repetitions = places.options.repetitions * (1 if places.is_sqlite else READS_EACH)
    databases = {size.events: places.prepared(size) for size in places.scale.histories}
    with ExitStack() as stack:
        over_each = {entries: stack.enter_context(closing(each.connect())) for entries, each in databases.items()}
        dashboard = in_turn(
            {length: partial(_read, each, DASHBOARD) for length, each in over_each.items()}, repetitions
        )
        last = over_each[longest.events]
        pages = in_turn({name: partial(_read, last, page) for name, page in PAGES.items()}, repetitions)
        raw = in_turn({length: partial(_aggregate, each) for length, each in over_each.items()}, AGGREGATED)
    what = f"{longest.keys} keys and {longest.events} entries"
    return [
        Measured(
            f"read the dashboard, p95, {what}",
            dashboard[longest.events].p95,
            LIMIT,
            over(dashboard),
            curve=Curve.of("read the dashboard", dashboard),
        ),
        *(Measured(f"read {name}, p95", each.p95, LIMIT, {name: each}) for name, each in pages.items()),
        Measured(
            "to compare: 30 days of entries, aggregated",
            raw[longest.events].median,
            None,
            over(raw),
            unit=" ms",
            curve=Curve.of("aggregate 30 days", raw),
        ),
    ]


def _read(connection: Connection, statement: str) -> None:
    after = MIDDLE.replace("-", "") if dialect_of(connection) == "sqlite" else MIDDLE
    execute(connection, statement, {"after": after} if ":after" in statement else None).fetchall()


def _aggregate(connection: Connection) -> None:
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=30)
    execute(connection, RAW.format(day=DAY[dialect_of(connection)]), {"since": since}).fetchall()
