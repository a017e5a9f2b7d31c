"""Findings: what is wrong, in words that say what it means for security or data, and the SQL that mends it.

Codes never change their meaning. The tens tell the kind of object, the last digit what happened to it: 1 missing,
2 unexpected, 3 changed, 4 renamed; from 5 on, and from 300, attributes that matter by themselves; from 400, who could
get past the guards; from 500, what is about rows; from 600, what a probe tried; from 900, what is about the check
itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kms_schema.validation.catalog import kind_and_name
from kms_schema.validation.compare import Difference, Kind


class Severity(StrEnum):
    """How bad a finding is; the order is that of `SEVERITIES`."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFO)


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
    meaning: str
    mend: str | None = None
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What the code stands for, in a few words."""
        return CODES[self.code]

    def fails(self, fail_on: Severity = Severity.ERROR) -> bool:
        """Return whether it is as bad as `fail_on`, or worse."""
        return SEVERITIES.index(self.severity) <= SEVERITIES.index(fail_on)


_TENS = {
    "table": 10, "partitioned table": 10, "foreign table": 10, "column": 11, "constraint": 12, "index": 13,
    "trigger": 14, "function": 15, "procedure": 15, "aggregate": 15, "view": 16, "materialized view": 17,
    "sequence": 18, "rule": 19, "policy": 20, "child table": 21, "statistics": 22, "incoming reference": 23,
}  # fmt: skip
_LAST = {Kind.MISSING: 1, Kind.UNEXPECTED: 2, Kind.CHANGED: 3, Kind.RENAMED: 4}
# A fact with a code of its own, wherever it is found; the rest of an object's facts is "changed".
_FACT_CODES = {
    ("constraint", "validated"): "KMS125",
    ("constraint", "keeping_triggers"): "KMS126",
    ("index", "valid"): "KMS135",
    ("index", "ready"): "KMS135",
    ("trigger", "enabled"): "KMS145",
    ("materialized view", "populated"): "KMS175",
    ("*", "owner"): "KMS301",
    ("*", "grants"): "KMS302",
    ("*", "row_security"): "KMS303",
    ("*", "row_security_forced"): "KMS303",
    ("*", "persistence"): "KMS304",
    ("*", "comment"): "KMS305",
    ("*", "tablespace"): "KMS306",
    ("*", "extension"): "KMS307",
    ("*", "column_comments"): "KMS305",
}
# Facts whose value says by itself which it is; of the others (`nullable`, `cache`) the name is written before it.
SELF_EXPLAINING = frozenset({"definition", "body", "name", *(fact for _, fact in _FACT_CODES)})
# What a fact that is left out, being at its default, reads like; of others `none` says it.
AT_DEFAULT = {"keeping_triggers": "enabled"}

CODES: Mapping[str, str] = {
    "KMS001": "database is not migrated",
    "KMS002": "database is behind",
    "KMS003": "unknown revision",
    "KMS004": "several revisions at once",
    "KMS005": "stamped with another revision",
    **{
        f"KMS{tens}{last}": f"{kind} {difference}"
        for kind, tens in reversed(_TENS.items())
        for difference, last in _LAST.items()
    },
    "KMS125": "constraint not validated",
    "KMS126": "foreign key not kept",
    "KMS135": "index not usable",
    "KMS145": "trigger switched off or on",
    "KMS175": "materialized view not populated",
    "KMS176": "materialized view stale",
    "KMS301": "owner changed",
    "KMS302": "rights changed",
    "KMS303": "row-level security changed",
    "KMS304": "persistence changed",
    "KMS305": "comment changed",
    "KMS306": "tablespace changed",
    "KMS307": "bound to an extension",
    "KMS401": "a setting switches triggers off",
    "KMS402": "a setting switches restore mode on",
    "KMS403": "rows are replicated in",
    "KMS411": "the owner logs in",
    "KMS412": "the owner has members",
    "KMS413": "everyone may create objects in the schema",
    "KMS414": "superusers exist",
    "KMS415": "a role may create objects in the schema",
    "KMS416": "later objects get other rights",
    "KMS417": "an event trigger runs in upgrades",
    "KMS418": "rows are published",
    "KMS419": "the owner has members in name",
    "KMS421": "a role acts as a superuser",
    "KMS422": "a role runs programs or writes files on the server",
    "KMS423": "a role may grant itself any other",
    "KMS424": "a role may switch foreign keys off",
    "KMS425": "a role says what the server runs",
    "KMS426": "a role may write every table",
    "KMS427": "a role may have rows replicated in",
    "KMS428": "the schema belongs to another role",
    "KMS429": "a view lends the owner's rights",
    "KMS431": "the database belongs to another role",
    "KMS432": "a role may read every table",
    "KMS433": "a role may copy the server",
    "KMS434": "a role is above row-level security",
    "KMS435": "a role may lock every table",
    "KMS436": "a function lends the owner's rights",
    "KMS437": "a security label",
    "KMS438": "a group role is more than its group",
    "KMS439": "everyone may create temporary objects",
    "KMS441": "what event triggers refuse here, and what is open",
    "KMS442": "hardening changed",
    "KMS443": "a setting switches event triggers off",
    "KMS444": "a role may switch event triggers off",
    "KMS501": "rows break a rule",
    "KMS511": "seals out of order",
    "KMS512": "leaves other than those of the seals",
    "KMS513": "sealed entries gone",
    "KMS514": "entries never sealed",
    "KMS515": "seals changed",
    "KMS516": "totals of the trail wrong",
    "KMS517": "causes of rotation wrong",
    "KMS521": "envelopes described as others",
    "KMS522": "versions wrapped by nothing",
    "KMS523": "envelopes copied",
    "KMS524": "nonces used twice",
    "KMS525": "envelopes that may be plaintext",
    "KMS601": "a forbidden write went through",
    "KMS602": "refused by something else",
    "KMS603": "a permitted write is refused",
    "KMS604": "a promised effect is missing",
    "KMS901": "check could not run",
    "KMS902": "not made by the package",
    "KMS903": "waiver expired",
    "KMS904": "waiver without a finding",
}
"""Every code with what it stands for."""

ABOUT_ROWS = {
    "KMS176": "it shows the keys as they were then: who relies on it overlooks what has expired or failed since",
    "KMS501": (
        "these rows were written before the guard was there, past it, or while it was switched off; which of them is "
        "right no statement can say"
    ),
    "KMS511": "somebody wrote past the guards: seals are gone or were put in; what holds, audit verify says",
    "KMS512": "somebody wrote past the guards: what the seals are over is gone or was put in",
    "KMS513": "somebody took entries out of the trail past the guards; kms-schema audit verify names each",
    "KMS514": "somebody put entries into the trail past the guards, with numbers of before: they are in no seal",
    "KMS515": "somebody changed a seal past the guards; kms-schema audit verify says what still holds",
    "KMS516": (
        "the dashboard shows other counts than the trail has: somebody wrote past the guards, or entries went in or "
        "out while the triggers were off; what the trail holds, audit verify says"
    ),
    "KMS517": (
        "a key is due for rotation, or is not, for another reason than the trail has: somebody wrote past the guards, "
        "or while the triggers were off"
    ),
    "KMS521": "what opens these envelopes goes by encryption_metadata: they, or what is said of them, were changed",
    "KMS522": "these keys are lost, with all that they encrypted, unless a backup has what they were wrapped by",
    "KMS523": (
        "an envelope opens in its own row only: one is a copy, and the key of its row is gone; or they are bound to no "
        "row, and whoever can write rows can put one key in the place of another"
    ),
    "KMS524": (
        "random nonces never come twice: what made them is broken, and so may be the keys that it made; under AES-GCM "
        "with one key, two such envelopes give away what they hold"
    ),
    "KMS525": (
        "somebody may have put a format byte before what nobody encrypted: take it for disclosed to everybody who can "
        "read the table or a backup of it, unless it opens"
    ),
}
"""What only `rows` finds, by its code, and what it means."""

WAIVER_EXPIRED, WAIVER_UNUSED = "KMS903", "KMS904"

_WARNINGS = frozenset({
    "KMS176", "KMS305", "KMS306", "KMS411", "KMS412", "KMS413", "KMS419", "KMS421", "KMS422", "KMS423", "KMS424",
    "KMS425", "KMS426", "KMS427", "KMS428", "KMS429", "KMS438", "KMS444", "KMS525", "KMS901", "KMS902", WAIVER_UNUSED,
})  # fmt: skip
_NOTES = frozenset({
    "KMS232", "KMS414", "KMS415", "KMS416", "KMS417", "KMS418", "KMS431", "KMS432", "KMS433", "KMS434", "KMS435",
    "KMS436", "KMS437", "KMS439", "KMS441",
})  # fmt: skip


def severity_of(code: str) -> Severity:
    """Return the severity of a code."""
    if code in _WARNINGS:
        return Severity.WARNING
    return Severity.INFO if code in _NOTES else Severity.ERROR


def codes_of(difference: Difference) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Return the codes of a difference, each with its share of the facts."""
    kind, _ = kind_and_name(difference.key)
    general = f"KMS{_TENS[kind]}{_LAST[difference.kind]}"
    if difference.kind is not Kind.CHANGED:
        return {general: dict(difference.facts)}
    shares: dict[str, dict[str, tuple[Any, Any]]] = {}
    for name, change in difference.facts.items():
        code = _FACT_CODES.get((kind, name)) or _FACT_CODES.get(("*", name)) or general
        shares.setdefault(code, {})[name] = change
    return dict(sorted(shares.items()))


def worded(value: Any) -> str:
    """Write one fact as text: lists by commas, None as `none`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
