"""Findings about the event triggers of `kms-schema harden`: whether they are there, whole, and nobody else's."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kms_schema.hardening.definition import LEFT_OPEN, LONGEST_SCHEMA, REFUSED, event_triggers, hardening_schema
from kms_schema.hardening.statements import body, event_trigger_statement, function_statement
from kms_schema.identifiers import quoted
from kms_schema.validator.catalog.attributes import Attributes
from kms_schema.validator.checks.posture import Observed
from kms_schema.validator.diff.findings import NO_STATEMENT, Finding, finding_of, worded

CODE = "hardening"
"""What stands before the attributes among the rows of `posture*.sql`."""

_REFUSED = "refused: "
_AGAIN = f"{NO_STATEMENT}as a superuser, run: kms-schema harden --apply"


def hardening_findings(rows: "list[Observed]", schema: str, revision: str) -> Iterator[Finding]:
    """Yield what is in force and open, and what is not as `kms-schema harden` makes it for a revision.

    Where nothing of it is there, that is no difference: it is an addition, as the roles are.
    """
    seen: dict[str, Attributes] = {about: json.loads(attributes) for code, about, attributes, _ in rows if code == CODE}
    there = len(schema.encode()) <= LONGEST_SCHEMA and bool(seen)
    findings = list(_differences(seen, schema, revision)) if there else []
    switched_off = any(row[0] == "KMS443" for row in rows)
    yield _posture(schema, hardened=there and not findings and not switched_off)
    yield from findings


def is_in_force(findings: Iterable[Finding]) -> bool:
    """Return whether the event triggers are there and whole, by the findings of a report."""
    return any(finding.code == "KMS441" and finding.actual.startswith(_REFUSED) for finding in findings)


def _posture(schema: str, *, hardened: bool) -> Finding:
    refused, left = (REFUSED, LEFT_OPEN) if hardened else ((), (*REFUSED, *LEFT_OPEN))
    actual = "; ".join(said + ", ".join(names) for said, names in ((_REFUSED, refused), ("open: ", left)) if names)
    remediation = None if hardened else _AGAIN
    return finding_of("KMS441", f"schema {schema}", "as few open as can be", actual, remediation=remediation)


def _differences(seen: Mapping[str, Attributes], schema: str, revision: str) -> Iterator[Finding]:
    expected = _expected(schema, revision)
    for about, each in expected.items():
        actual = seen.get(about)
        if actual is None:
            yield _finding(about, "there", "missing", each.remediation(frozenset({"missing"})))
        elif different := sorted(name for name, value in each.attributes.items() if actual[name] != value):
            should, does = (
                "\n".join(f"{name}: {worded(side[name])}" for name in different) for side in (each.attributes, actual)
            )
            yield _finding(about, should, does, each.remediation(frozenset(different)))
    for about in sorted(seen.keys() - expected.keys()):
        yield _finding(about, "nothing but the functions of the event triggers", "there", _AGAIN)


def _finding(about: str, expected: str, actual: str, remediation: str) -> Finding:
    return finding_of("KMS442", about, expected, actual, remediation=remediation)


@dataclass(frozen=True)
class _Expected:
    """An object as `kms-schema harden` makes it, what makes it, and what does for some of its attributes."""

    attributes: Attributes
    made: str
    for_attributes: Mapping[str, str]

    def remediation(self, different: frozenset[str]) -> str:
        """Return what puts right the attributes that are different."""
        fixes = {self.for_attributes.get(name, self.made) for name in different}
        return fixes.pop() if len(fixes) == 1 else _AGAIN


def _expected(schema: str, revision: str) -> dict[str, _Expected]:
    place = hardening_schema(schema)
    objects = {f"schema {place}": _Expected({"another's": True, "privileges": None}, _AGAIN, {})}
    for trigger in event_triggers(schema):
        objects[f"function {place}.{trigger.function}"] = _Expected(
            {
                "another's": True, "body": body(schema, trigger, revision), "language": "plpgsql", "privileges": None,
                "security_definer": False, "settings": ["search_path=pg_catalog, pg_temp"],
            },
            function_statement(schema, trigger, revision),
            {"another's": _AGAIN, "privileges": _AGAIN},
        )  # fmt: skip
        objects[f"event trigger {trigger.name}"] = _Expected(
            {
                "another's": True, "enabled": "A", "event": str(trigger.event),
                "function": f"{place}.{trigger.function}", "tags": list(trigger.tags) or None,
            },
            f"DROP EVENT TRIGGER IF EXISTS {quoted(trigger.name)}; {event_trigger_statement(schema, trigger)}",
            {"another's": _AGAIN, "enabled": f"ALTER EVENT TRIGGER {quoted(trigger.name)} ENABLE ALWAYS;"},
        )  # fmt: skip
    return objects
