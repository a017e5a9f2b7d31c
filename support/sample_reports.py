"""Reports made by hand: one as people meet it, and one whose names are as hostile as a database allows."""

from dataclasses import replace
from datetime import UTC, date, datetime

from kms_schema.snapshots import chain
from kms_schema.validator import Finding, Report, Waived
from kms_schema.validator.rules import RULES

HEAD = chain()[-1]
TABLE, COLUMN, TRIGGER = "table key_masters", "column key_masters.status", "trigger key_audit_logs.prevent_update"
CHECKED = (TABLE, COLUMN, TRIGGER, "column key_audit_logs.user_id", "materialized view key_management_dashboard")

MARKUP = '<script>alert("1")</script>&amp;\' ]]>'
HIDDEN = "\x00\x1b[2J\x07\x7f\x9b31m\u202e\u200b\u2066\ufeff\u2028\u3164\ufe0f\ufffe\U000e0041"
LINES = "a\r\nb\tc::error::%0A\n::error::d"
HOSTILE = f"index {MARKUP}{HIDDEN}{LINES}"
"""A name with markup, with characters that no terminal and no XML parser should get, and with line breaks."""


def finding(
    code: str, about: str, expected: str = "this", actual: str = "that", **more: str | tuple[str, ...]
) -> Finding:
    facts = {"impact": "what it means", **more}
    return Finding(code, RULES[code].severity, about, expected, actual, **facts)  # type: ignore[arg-type]


def report(*findings: Finding, waived: tuple[Waived, ...] = (), **more: object) -> Report:
    made = Report("postgresql", "18.1", "public", HEAD, HEAD, findings, waived, checked=CHECKED)
    times = {"database": "kms at db.example:5432", "checked_at": datetime(2026, 11, 25, 11, 30, tzinfo=UTC)}
    return replace(made, **{**times, **more})  # type: ignore[arg-type]


def waived(found: Finding, reason: str = "TICKET-7") -> Waived:
    return Waived(found, reason, date(2027, 1, 31))


DISABLED = finding(
    "KMS145", TRIGGER, "ALWAYS", "DISABLED",
    impact="the trigger does not fire: nothing enforces this rule",
    remediation="ALTER TABLE public.key_audit_logs ENABLE ALWAYS TRIGGER prevent_update;",
)  # fmt: skip
OWNER = finding(
    "KMS411", "role kms", "an owner role without LOGIN", "has LOGIN",
    impact="anyone with its password can alter the tables and disable their protections",
)  # fmt: skip
EXTRA = finding(
    "KMS132", "index reporting_by_user", "no such index",
    "CREATE INDEX reporting_by_user ON public.key_audit_logs (user_id)",
    impact="it makes writes slower; if it is unique, it refuses rows that the schema allows",
    remediation="DROP INDEX public.reporting_by_user;",
)  # fmt: skip
USUAL = report(DISABLED, OWNER, waived=(waived(EXTRA, "the reporting team's; goes with TICKET-7"),))
"""An error, a warning and a waived finding: what docs/validator.md shows."""


def hostile(name: str = HOSTILE) -> Report:
    """Return a report with this in every place that a database fills in."""
    both_sides, fix = (name, f"{name}\n{name}"), f"DROP INDEX {name};"
    everywhere = finding("KMS132", name, *both_sides, impact=name, remediation=fix, also=(name, "index b"))
    same = name.replace("\n", " ")
    both = finding("KMS153", "function f()", f"{name}\n{same}\nx", f"{name}\n{same}\ny")
    accepted = waived(replace(everywhere, object=f"{name}2"), name)
    return report(
        everywhere, both, waived=(accepted,), schema=name, database=name, version=name, checked=(name, *CHECKED)
    )
