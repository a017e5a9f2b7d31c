"""Findings: the difference, its impact on security or data, and the SQL that fixes it."""

from dataclasses import dataclass
from typing import Any

from kms_schema.text.printable import in_a_line
from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.diff.compare import Difference, Kind
from kms_schema.validator.rules import OF_ATTRIBUTES, OF_OBJECTS, RULES, Severity

SEVERITIES = tuple(Severity)


@dataclass(frozen=True)
class Finding:
    """A difference with one cause.

    `remediation` is SQL that fixes it, or a comment of SQL with the manual action. `also` names the objects that
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
        """The title of the rule."""
        return RULES[self.code].title

    def fails(self, fail_on: Severity = Severity.ERROR) -> bool:
        """Return whether it is as severe as `fail_on`, or more."""
        return SEVERITIES.index(self.severity) <= SEVERITIES.index(fail_on)


_TUNED, _RETUNED = "KMS308", "KMS309"
_NO_HELP = "change the object until it is as the finding expects it"
MANUAL_ACTION = "-- manual action: "
"""How the comment begins that stands in place of the SQL."""
# Attributes whose value is clear without their name; for the others (`nullable`, `cache`) the name is written first.
SELF_EXPLAINING = frozenset({"definition", "body", "name", *(attribute for _, attribute in OF_ATTRIBUTES)})
# The text of an attribute at its default, where it is not `none`.
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
    """Return a finding of a code, with the severity of its rule and, unless `impact` is given, its impact."""
    rule = RULES[code]
    return Finding(code, rule.severity, about, expected, actual, impact or rule.impact, remediation, also)


def manual_remediation(code: str) -> str:
    """Return a comment in SQL for a finding that no statement can fix."""
    return manual_action(RULES[code].help or _NO_HELP)


def manual_action(text: str) -> str:
    """Return a comment in SQL that no name in it ends: it is one line."""
    return f"{MANUAL_ACTION}{in_a_line(text)}"


def codes_of(difference: Difference) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Return the codes of a difference, each with its share of the attributes."""
    kind, _ = kind_and_name(difference.key)
    general = OF_OBJECTS[kind, difference.kind]
    if difference.kind is not Kind.CHANGED:
        return {general: dict(difference.attributes)}
    shares: dict[str, dict[str, tuple[Any, Any]]] = {}
    for name, change in difference.attributes.items():
        code = OF_ATTRIBUTES.get((kind, name)) or OF_ATTRIBUTES.get(("*", name)) or general
        if code == _TUNED and name == "options" and any(isinstance(side, str) for side in change):
            code = general  # of SQLite: WITHOUT ROWID
        elif code == _TUNED and _replaces(*change):
            code = _RETUNED
        shares.setdefault(code, {})[name] = change
    return dict(sorted(shares.items()))


def _replaces(expected: Any, actual: Any) -> bool:
    """Return whether a setting of the package is not there any more: another one may be beside it."""
    items = expected if isinstance(expected, list) else [] if expected is None else [expected]
    return not set(items) <= set(actual if isinstance(actual, list) else [actual])


def worded(value: Any) -> str:
    """Return an attribute as text: a list with commas, None as `none`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
