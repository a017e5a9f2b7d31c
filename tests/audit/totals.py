"""What the sums of a trail say, and what the trail itself says: the two have to be equal at every moment."""

from collections import Counter
from typing import Any

from support.engines.database import Connection
from support.statements import dialect_of, execute

_DAY = {"postgresql": "(\"timestamp\" AT TIME ZONE 'UTC')::date", "sqlite": 'substr("timestamp", 1, 10)'}
_KIND = "event_category, security_level, coalesce(risk_score, -1)"
_ENTRIES = "SELECT {day}, {kind}, count(*) FROM {entries} GROUP BY 1, 2, 3, 4"
_CAUSES = """SELECT
    key_id, sequence, CASE event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END, "timestamp"
FROM {entries} WHERE key_id IS NOT NULL AND (event_category = 'SECURITY' AND security_level = 'CRITICAL'
    OR event_category = 'COMPLIANCE' AND event_type = 'ROTATION_REQUIRED')"""


def counted(connection: Connection, entries: str) -> Counter[Any]:
    """Count the entries of a table or view by day, category, level and score."""
    query = _ENTRIES.format(day=_DAY[dialect_of(connection)], kind=_KIND, entries=entries)
    return Counter({alike: int(count) for *alike_, count in execute(connection, query) for alike in [tuple(alike_)]})


def kept(connection: Connection) -> Counter[Any]:
    """Return what is kept of the entries that are sealed."""
    query = "SELECT day, event_category, security_level, risk_score, event_count FROM key_audit_daily_totals"
    return Counter({tuple(alike): int(count) for *alike, count in execute(connection, query)})


def causes(connection: Connection, entries: str) -> set[Any]:
    """Return the entries that make a key due for rotation."""
    return {tuple(row) for row in execute(connection, _CAUSES.format(entries=entries))}


def assert_exact(connection: Connection) -> None:
    """Hold the sums and what is not sealed against the trail, in one snapshot."""
    execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ" if dialect_of(connection) == "postgresql" else "BEGIN")
    sums = kept(connection)
    assert 0 not in sums.values()
    assert sums + counted(connection, "key_audit_unsealed") == counted(connection, "key_audit_logs")
    found = {tuple(row) for row in execute(connection, "SELECT * FROM key_rotation_causes")}
    of_tail = causes(connection, "key_audit_unsealed")
    assert not found & of_tail
    assert found | of_tail == causes(connection, "key_audit_logs")
    execute(connection, "COMMIT")
