"""The queries of the rules whose plans read the whole log."""

import datetime as dt
import re
import sqlite3
from typing import Any

from kms_schema.audit.anomalies.log_reader import QUERIES
from kms_schema.reading.reader import sqlite_value
from support.engines.database import Connection

_SCAN = re.compile(r"SCAN (TABLE \w+ AS )?(entry|earlier)\b(?! USING)")
_IN_ORDER = re.compile(r"using uq_key_audit_logs_sequence on key_audit_logs .*\n(?!\s+Index Cond)")
"""All entries in the order of their sequence, which a query with a limit reads instead of sorting its own."""


def scanning(connection: Connection, since: dt.datetime, until: dt.datetime) -> list[str]:
    """Return the names of queries that read all entries, with their plans."""
    keys = [row[0] for row in connection.execute("SELECT id FROM key_masters LIMIT 3").fetchall()]
    values: dict[str, Any] = {"since": since, "until": until, "actors": ["orders"], "keys": keys, "places": 20}
    return [found for name in QUERIES.names if (found := _scan_of(connection, name, values))]


def _scan_of(connection: Connection, name: str, values: dict[str, Any]) -> str:
    if isinstance(connection, sqlite3.Connection):
        given = {key: sqlite_value(value) for key, value in values.items()}
        steps = connection.execute(f"EXPLAIN QUERY PLAN {QUERIES.render(name, 'sqlite', 'main')}", given)
        plan = "\n".join(step[3] for step in steps.fetchall())
        # What a query has set aside is read whole.
        return f"{name}: {plan}" if len(_SCAN.findall(plan)) > plan.count("MATERIALIZE entry") else ""
    text = QUERIES.render(name, "postgresql", "public")
    lines = connection.execute(f"EXPLAIN {text}".encode(), values).fetchall()
    plan = "\n".join(line for (line,) in lines)
    in_order = name != "first_entry" and "\nLIMIT" in text and _IN_ORDER.search(plan)
    reads_all = in_order or "Seq Scan on key_audit_logs" in plan
    return f"{name}: {plan}" if reads_all else ""
