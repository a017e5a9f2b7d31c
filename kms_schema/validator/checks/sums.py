"""The sums of the audit log: they must equal the counts of its sealed entries.

Triggers maintain them. A role that bypasses the triggers could make the dashboard show false counts. The check counts
the entries in one pass.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kms_schema.text.identifiers import quoted

TOTALS, CAUSES, LOGS, UNSEALED = (
    "key_audit_daily_totals", "key_rotation_causes", "key_audit_logs", "key_audit_unsealed",
)  # fmt: skip
READS = (f"table {LOGS}", f"view {UNSEALED}")


class Sums(NamedTuple):
    """The check of one table of sums."""

    code: str
    table: str
    wanted: str
    query: str
    """Returns a row for each wrong sum: name, problem."""
    remediation: str
    """Recomputes the sums, in one transaction. If a seal is written meanwhile, it is refused; repeat it then."""


_DAY = {"postgresql": "(\"timestamp\" AT TIME ZONE 'UTC')::date", "sqlite": 'substr("timestamp", 1, 10)'}
_KIND = "event_category, security_level, coalesce(risk_score, -1)"

# The rows of all three: the sums, the entries, and the entries without a seal.
_COUNTED = """SELECT day, event_category, security_level, risk_score, sum(kept) AS kept, sum(counted) AS counted
    FROM (SELECT day, event_category, security_level, risk_score, event_count AS kept, 0 AS counted FROM {totals}
        UNION ALL SELECT {day}, {kind}, 0, count(*) FROM {logs} AS entries GROUP BY 1, 2, 3, 4
        UNION ALL SELECT {day}, {kind}, 0, -count(*) FROM {unsealed} AS entries GROUP BY 1, 2, 3, 4) AS counts
    GROUP BY day, event_category, security_level, risk_score"""

_WRONG_TOTALS = """SELECT 'the total of ' || CAST(day AS text) || ', ' || event_category || ', ' || security_level
        || CASE WHEN risk_score < 0 THEN ', without a score' ELSE ', score ' || risk_score END AS name,
        'is ' || kept || ', and there are ' || counted || ' sealed entries' AS problem
    FROM ({counted}) AS sums WHERE kept <> counted"""

_FIX_TOTALS = """DELETE FROM {totals};
    INSERT INTO {totals} (day, event_category, security_level, risk_score, event_count)
    SELECT day, event_category, security_level, risk_score, counted FROM ({counted}) AS sums WHERE counted > 0;"""

_OF_ENTRIES = """SELECT key_id, sequence,
        CASE event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END AS reason, "timestamp" AS occurred_at
    FROM {entries} AS entries WHERE key_id IS NOT NULL AND (
        event_category = 'SECURITY' AND security_level = 'CRITICAL'
        OR event_category = 'COMPLIANCE' AND event_type = 'ROTATION_REQUIRED')"""
_OF_SEALED = f"{_OF_ENTRIES.format(entries='{logs}')} EXCEPT {_OF_ENTRIES.format(entries='{unsealed}')}"
_KEPT = "SELECT key_id, sequence, reason, occurred_at FROM {causes}"

_WRONG_CAUSES = f"""SELECT 'the cause of rotation with sequence ' || sequence AS name, problem
    FROM (SELECT sequence, 'has no sealed entry' AS problem
            FROM ({_KEPT} EXCEPT SELECT * FROM ({_OF_SEALED}) AS sealed) AS more
        UNION ALL SELECT sequence, 'is missing for a sealed entry'
            FROM (SELECT * FROM ({_OF_SEALED}) AS sealed EXCEPT {_KEPT}) AS less) AS wrong"""

_FIX_CAUSES = f"DELETE FROM {{causes}}; INSERT INTO {{causes}} (key_id, sequence, reason, occurred_at) {_OF_SEALED};"


def sums_asked(engine: str, schema: str) -> Iterator[Sums]:
    """Yield the checks of the sums; `schema` is PostgreSQL's, unquoted."""
    place = "main" if engine == "sqlite" else quoted(schema)
    only = "" if engine == "sqlite" else "ONLY "
    names = {
        "totals": f"{place}.{TOTALS}",
        "causes": f"{place}.{CAUSES}",
        "logs": f"{only}{place}.{LOGS}",
        "unsealed": f"{place}.{UNSEALED}",
    }
    counted = _COUNTED.format(day=_DAY[engine], kind=_KIND, **names)
    for code, table, wanted, query, remediation in (
        ("KMS516", TOTALS, "the counts of the sealed entries", _WRONG_TOTALS, _FIX_TOTALS),
        ("KMS517", CAUSES, "the sealed entries that make a key due", _WRONG_CAUSES, _FIX_CAUSES),
    ):
        filled = (" ".join(text.format(counted=counted, **names).split()) for text in (query, remediation))
        yield Sums(code, table, wanted, *filled)
