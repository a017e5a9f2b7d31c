"""Findings of the posture from the rows of `posture*.sql`: what can bypass the protections without drift."""

from collections.abc import Iterable
from itertools import groupby
from typing import TypeAlias

from kms_schema.validator.diff.findings import Finding, finding_of
from kms_schema.validator.rules import RULES

Observed: TypeAlias = tuple[str, str, str, str | None]
"""A code, the object, what was observed, and the SQL that fixes it, if there is any."""


def posture_findings(rows: Iterable[Observed]) -> tuple[Finding, ...]:
    """Return a finding for each code and object; the rows come sorted by these."""
    return tuple(_finding(list(observed)) for _, observed in groupby(rows, key=lambda row: row[:2]))


def _finding(rows: list[Observed]) -> Finding:
    code, about = rows[0][:2]
    observed = "; ".join(row[2] for row in rows)
    fixes = [row[3] for row in rows if row[3]]
    remediation = " ".join(fixes) if len(fixes) == len(rows) else None
    return finding_of(code, about, RULES[code].expected, observed, remediation=remediation)
