"""The findings of a probe: one for each object that did not refuse, one for each reason why an attempt was not made."""

from collections.abc import Callable, Iterable

from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.diff.findings import Finding, finding_of
from kms_schema.validator.probe.runner import Kind, Outcome

_CODES = {
    Kind.ACCEPTED: "KMS601",
    Kind.REFUSED_OTHERWISE: "KMS602",
    Kind.PERMITTED_REFUSED: "KMS603",
    Kind.NOT_DONE: "KMS604",
    Kind.UNKNOWN: "KMS901",
}
_AT_STAKE = {
    "key_audit_logs": "entries of the audit log can be changed, removed or forged",
    "key_versions": "key material can be lost, or stored in a form that the schema forbids",
    "key_masters": "keys can get into states that the schema forbids, on which programs depend",
    "key_rotations": "rotations can get into states that the schema forbids, and run twice or never",
}
_UNTRIED = "the write was not tried; whether it is refused is unknown"


def probe_findings(outcomes: Iterable[Outcome]) -> tuple[Finding, ...]:
    """Return the findings: accepted and otherwise refused writes by object, the others by cause."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.kind is not Kind.AS_PROMISED:
            code = _CODES[outcome.kind]
            by_cause = outcome.kind in {Kind.PERMITTED_REFUSED, Kind.UNKNOWN}
            groups.setdefault((code, _cause(outcome) if by_cause else outcome.protection), []).append(outcome)
    return tuple(_finding(code, group) for (code, _), group in groups.items())


def not_probed(reason: str) -> Finding:
    """Return the finding that no write was tried."""
    impact = "no forbidden write was tried; whether they are refused is unknown"
    return finding_of("KMS901", "probe", "every forbidden write tried", f"unknown: {reason}", impact=impact)


def _cause(outcome: Outcome) -> str:
    """Return the cause: the name of the rule, else the message."""
    if outcome.refusal is None:
        return ""
    named = outcome.refusal.says if outcome.refusal.sqlstate else outcome.refusal.says.partition(": ")[0]
    return (outcome.kind is Kind.PERMITTED_REFUSED and named) or outcome.refusal.message


def _finding(code: str, group: list[Outcome]) -> Finding:
    first = group[0]
    protections = list(dict.fromkeys(outcome.protection for outcome in group))
    table = kind_and_name(first.protection)[1].partition(".")[0]
    impact = {"KMS601": _AT_STAKE.get(table), "KMS901": _UNTRIED}.get(code)
    write: Callable[[Outcome], str] = (
        _of_cause if len(protections) > 1 or code in {"KMS603", "KMS901"} else _outcome_line
    )
    lines = list(dict.fromkeys(write(outcome) for outcome in group))
    expected = "\n".join(dict.fromkeys(outcome.promised for outcome in group))
    if code == "KMS603":
        expected = "accepted"
    if code == "KMS901":
        expected = "each forbidden write refused"
    return finding_of(code, first.protection, expected, "\n".join(lines), impact=impact, also=tuple(protections[1:]))


def _outcome_line(outcome: Outcome) -> str:
    if outcome.refusal is None:
        how = "accepted" if outcome.kind is Kind.ACCEPTED else "not done"
    else:
        sqlstate = f", SQLSTATE {outcome.refusal.sqlstate}" if outcome.refusal.sqlstate else ""
        how = f"refused: {outcome.refusal.message}{sqlstate}"
    return f"{outcome.tries} ({outcome.circumstance}): {how}"


def _of_cause(outcome: Outcome) -> str:
    message = outcome.refusal.message if outcome.refusal else "no message"
    return ("unknown: " if outcome.kind is Kind.UNKNOWN else "refused: ") + message
