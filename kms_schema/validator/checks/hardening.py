"""Findings about the event triggers of `kms-schema harden`: missing, changed, or owned by another role."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kms_schema.hardening.definition import LEFT_OPEN, LONGEST_SCHEMA, REFUSED, event_triggers, hardening_schema
from kms_schema.hardening.statements import body, event_trigger_statement, function_statement
from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import Attributes
from kms_schema.validator.checks.posture import Observed
from kms_schema.validator.diff.findings import MANUAL_ACTION, Finding, finding_of, worded
from kms_schema.validator.rules import RULES

CODE = "hardening"
"""The code of the rows of `posture*.sql` that have catalog attributes of event triggers."""

_REFUSED = "refused: "
_AGAIN = f"{MANUAL_ACTION}{RULES['KMS442'].help}"


def hardening_findings(rows: "list[Observed]", schema: str, revision: str) -> Iterator[Finding]:
    """Yield the attacks that are refused and open, and the differences from `kms-schema harden` for a revision.

    Without any event trigger there is no difference: hardening is optional, as the roles are.
    """
    observed: dict[str, Attributes] = {
        about: json.loads(attributes) for code, about, attributes, _ in rows if code == CODE
    }
    there = len(schema.encode()) <= LONGEST_SCHEMA and bool(observed)
    findings = list(_differences(observed, schema, revision)) if there else []
    switched_off = any(row[0] == "KMS443" for row in rows)
    yield _posture(schema, hardened=there and not findings and not switched_off)
    yield from findings


def is_in_force(findings: Iterable[Finding]) -> bool:
    """Return whether all event triggers are in force, by the findings of a report."""
    return any(finding.code == "KMS441" and finding.actual.startswith(_REFUSED) for finding in findings)


def _posture(schema: str, *, hardened: bool) -> Finding:
    refused, left = (REFUSED, LEFT_OPEN) if hardened else ((), (*REFUSED, *LEFT_OPEN))
    actual = "; ".join(said + ", ".join(names) for said, names in ((_REFUSED, refused), ("open: ", left)) if names)
    return finding_of("KMS441", f"schema {schema}", RULES["KMS441"].expected, actual)


def _differences(observed: Mapping[str, Attributes], schema: str, revision: str) -> Iterator[Finding]:
    expected = _expected(schema, revision)
    for about, each in expected.items():
        actual = observed.get(about)
        if actual is None:
            yield _finding(about, "exists", "missing", each.remediation(frozenset({"missing"})))
        elif different := sorted(name for name, value in each.attributes.items() if actual[name] != value):
            should, does = (
                "\n".join(f"{name}: {worded(side[name])}" for name in different) for side in (each.attributes, actual)
            )
            yield _finding(about, should, does, each.remediation(frozenset(different)))
    for about in sorted(observed.keys() - expected.keys()):
        yield _finding(about, "no objects other than the functions of the event triggers", "exists", _AGAIN)


def _finding(about: str, expected: str, actual: str, remediation: str) -> Finding:
    return finding_of("KMS442", about, expected, actual, remediation=remediation)


@dataclass(frozen=True)
class _Expected:
    """An object of `kms-schema harden`, the SQL that creates it, and the SQL that fixes some of its attributes."""

    attributes: Attributes
    made: str
    for_attributes: Mapping[str, str]

    def remediation(self, different: frozenset[str]) -> str:
        """Return the SQL that fixes the attributes that differ."""
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
