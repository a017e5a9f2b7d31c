"""Who could get past the guards although everything is as the package made it: findings from rows of `posture*.sql`."""

from collections.abc import Iterable
from itertools import groupby
from typing import TypeAlias

from kms_schema.validator.diff.findings import Finding, finding_of
from kms_schema.validator.rules import RULES

Observed: TypeAlias = tuple[str, str, str, str | None]
"""A code, whom it is about, what was seen, and the SQL that ends it, where there is any."""


def posture_findings(rows: Iterable[Observed]) -> tuple[Finding, ...]:
    """Return a finding for each code and object; the rows come sorted by these."""
    return tuple(_finding(list(seen)) for _, seen in groupby(rows, key=lambda row: row[:2]))


def _finding(rows: list[Observed]) -> Finding:
    code, about = rows[0][:2]
    seen = "; ".join(row[2] for row in rows)
    fixes = [row[3] for row in rows if row[3]]
    remediation = " ".join(fixes) if len(fixes) == len(rows) else None
    return finding_of(code, about, RULES[code].expected, seen, remediation=remediation)
