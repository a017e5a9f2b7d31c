"""Finds the anomalies of a database."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping

from kms_schema.audit.anomalies import comparing, judging, rules
from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.groups import Period
from kms_schema.audit.anomalies.log_reader import reading
from kms_schema.audit.anomalies.rules import RULES, RuleName
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.reading.reader import Reader

_JUDGES: Mapping[RuleName, Callable[[Reader, Period], list[Anomaly]]] = {
    RuleName.NEW_ACTOR: judging.new_actors,
    RuleName.ENDED_KEY_USED: judging.ended_keys_used,
    RuleName.KEY_SWEEP: comparing.sweeps,
    RuleName.USE_SPIKE: comparing.spikes,
    RuleName.OUTSIDE_WINDOW: judging.outside_windows,
    RuleName.FORGED_ENTRY: judging.forged_entries,
    RuleName.COUNT_JUMP: judging.jumped_counts,
}


def find_anomalies(
    connection: DatabaseConnection,
    since: dt.datetime,
    *,
    until: dt.datetime | None = None,
    schema: str = "public",
    only: Collection[RuleName] = tuple(RuleName),
) -> list[Anomaly]:
    """Return the anomalies with an entry since a time, in the order of the rules and of time.

    See the page "anomalies" of the documentation.

    - `connection`: of psycopg or sqlite3, idle or in a transaction; it is left as it was. On PostgreSQL the role
      reads the whole audit log, as `kms_auditor` does
    - `since`: an aware time. Each UTC day is judged from its start, whatever the time
    - `until`: an aware time, before which entries count; None for now
    - `schema`: of the tables on PostgreSQL, unquoted
    - `only`: the rules

    At most `rules.MOST_ANOMALIES` for each rule. Outside of a transaction it waits up to 10 seconds for a lock.

    Raises `TrailError` for a database without the audit log, or for a role that sees a part of it. Also if a rule would
    keep more than `rules.MOST_KEPT` entries or actors. Raises `ValueError` for a time without time zone, and the errors
    of the driver. Example::

        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        with psycopg.connect("dbname=kms") as connection:
            for anomaly in find_anomalies(connection, yesterday):
                print(anomaly.rule, anomaly.summary, [entry.sequence for entry in anomaly.entries])
    """
    if since.tzinfo is None or (until is not None and until.tzinfo is None):
        raise ValueError("give aware times, such as datetime.now(datetime.UTC)")
    found: list[Anomaly] = []
    with reading(connection, schema) as reader:
        period = Period(since, until or _FAR)
        for name, judge in _JUDGES.items():
            if name in only:
                of_rule = [each for each in judge(reader, period) if each.last_at >= since]
                found += sorted(of_rule, key=lambda each: each.first_at)[: rules.MOST_ANOMALIES]
    return found


def count_anomalies(
    connection: DatabaseConnection,
    since: dt.datetime,
    *,
    until: dt.datetime | None = None,
    schema: str = "public",
) -> dict[RuleName, int]:
    """Return the number of anomalies of every rule since a time: `find_anomalies`, counted, with 0 for none.

    - `connection`, `since`, `until`, `schema`: those of `find_anomalies`

    The cost grows with the entries since the start of that UTC day, and not with the log. A metric should keep the
    result for some minutes. Raises `TrailError`, `ValueError` and the errors of the driver as `find_anomalies` does.
    Example::

        counts = count_anomalies(connection, dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
        print(counts[RuleName.KEY_SWEEP])
    """
    found = dict.fromkeys(RULES, 0)
    for each in find_anomalies(connection, since, until=until, schema=schema):
        found[each.rule] += 1
    return found


_FAR = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""After every entry: the database sets their times."""
