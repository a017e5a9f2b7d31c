"""The sums of the audit log: they must equal the counts of its sealed entries.

Triggers maintain them. A role that bypasses the triggers could make the dashboard show false counts. The check counts
the entries in one pass.
"""

from collections.abc import Iterator
from typing import NamedTuple

from kms_schema.reading.queries import Queries

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


_QUERIES = Queries(__file__)


def sums_asked(engine: str, schema: str) -> Iterator[Sums]:
    """Yield the checks of the sums; `schema` is PostgreSQL's, unquoted."""
    for code, table, wanted, query, remediation in (
        ("KMS516", TOTALS, "the counts of the sealed entries", "wrong_totals", "fix_totals"),
        ("KMS517", CAUSES, "the sealed entries that make a key due", "wrong_causes", "fix_causes"),
    ):
        texts = (_QUERIES.render(name, engine, schema) for name in (query, remediation))
        yield Sums(code, table, wanted, *(" ".join(text.split()) for text in texts))
