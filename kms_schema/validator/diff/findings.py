"""Findings: what is wrong, in words that say what it means for security or data, and the SQL that fixes it."""

from dataclasses import dataclass
from typing import Any

from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.diff.compare import Difference, Kind
from kms_schema.validator.rules import OF_ATTRIBUTES, OF_OBJECTS, RULES, Severity

SEVERITIES = tuple(Severity)


@dataclass(frozen=True)
class Finding:
    """One cause. `mend` is SQL that puts it right; where none can, it is a comment that says so. `also` names what
    changed with it.
    """

    code: str
    severity: Severity
    object: str
    expected: str
    actual: str
    impact: str
    remediation: str | None = None
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What the code stands for, in a few words."""
        return RULES[self.code].title

    def fails(self, fail_on: Severity = Severity.ERROR) -> bool:
        """Return whether it is as bad as `fail_on`, or worse."""
        return SEVERITIES.index(self.severity) <= SEVERITIES.index(fail_on)


NO_STATEMENT = "-- no statement mends this: "
"""How the comment begins that stands where the SQL would."""
# Attributes whose value says by itself which it is; of the others (`nullable`, `cache`) the name is written before it.
SELF_EXPLAINING = frozenset({"definition", "body", "name", *(attribute for _, attribute in OF_ATTRIBUTES)})
# What an attribute that is left out, being at its default, reads like; of others `none` says it.
AT_DEFAULT = {"keeping_triggers": "enabled"}


def finding_of(
    code: str,
    about: str,
    expected: str,
    actual: str,
    *,
    impact: str | None = None,
    remediation: str | None = None,
    also: tuple[str, ...] = (),
) -> Finding:
    """Return a finding of a code, with the severity of its rule and, unless `meaning` is given, its impact."""
    rule = RULES[code]
    return Finding(code, rule.severity, about, expected, actual, impact or rule.impact, remediation, also)


def manual_remediation(code: str) -> str:
    """Return a comment in SQL for a finding that no statement can remediation."""
    return f"{NO_STATEMENT}{RULES[code].help}"


def codes_of(difference: Difference) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Return the codes of a difference, each with its share of the attributes."""
    kind, _ = kind_and_name(difference.key)
    general = OF_OBJECTS[kind, difference.kind]
    if difference.kind is not Kind.CHANGED:
        return {general: dict(difference.attributes)}
    shares: dict[str, dict[str, tuple[Any, Any]]] = {}
    for name, change in difference.attributes.items():
        code = OF_ATTRIBUTES.get((kind, name)) or OF_ATTRIBUTES.get(("*", name)) or general
        shares.setdefault(code, {})[name] = change
    return dict(sorted(shares.items()))


def worded(value: Any) -> str:
    """Write one attribute as text: lists by commas, None as `none`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
