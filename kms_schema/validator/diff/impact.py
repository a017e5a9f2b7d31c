"""The impact of a difference on security or data, in a sentence."""

from collections.abc import Mapping
from typing import Any

from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.catalog.grants import role_and_privileges
from kms_schema.validator.diff.compare import Difference, Kind
from kms_schema.validator.rules import RULES

AUDIT_TABLE = "key_audit_logs"
_REWRITING = frozenset({"UPDATE", "DELETE", "TRUNCATE", "TRIGGER"})


def impact_of(difference: Difference, code: str, attributes: Mapping[str, tuple[Any, Any]], table: str | None) -> str:
    """Return the impact of `attributes`, the share of the difference that `code` names.

    `table` is the table of the object, if it has one.
    """
    kind, name = kind_and_name(difference.key)
    of_audit_log = AUDIT_TABLE in {table, name}
    special = _SPECIAL.get(code)
    if special is not None:
        return special(kind, name, attributes)
    text = RULES[code].impact
    if RULES[code].attributes:
        return text
    if difference.kind is Kind.CHANGED:
        text = _changed(attributes) or text
    return f"{text} (of the audit log)" if of_audit_log and kind in {"trigger", "rule"} else text


def _changed(attributes: Mapping[str, tuple[Any, Any]]) -> str | None:
    if "settings" in attributes:
        return (
            "names in it can resolve to another schema: a role that may create objects there can have it call its own"
        )
    if "security_definer" in attributes:
        run_as = "its owner's" if attributes["security_definer"][1] else "the caller's"
        return f"it now runs with {run_as} privileges"
    return None


def _of_grants(_kind: str, name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    """Return what each role gained and lost, the most severe first."""
    expected, actual = (frozenset(lines or ()) for lines in attributes["grants"])
    sentences: list[str] = []
    for line in sorted(actual - expected) + sorted(expected - actual):
        gained = (line[0] == "+") == (line in actual)
        role, privileges = role_and_privileges(line)
        who = "everyone" if role == "PUBLIC" else f"role {role}"
        words = {word.partition(" ")[0] for word in privileges.split(", ")}
        if gained and name == AUDIT_TABLE and words & _REWRITING:
            sentences.insert(0, f"{who} can now try to rewrite audit rows ({privileges})")
        else:
            sentences.append(f"{who} {'can now' if gained else 'can no longer'} {privileges} on {name}")
    return "; ".join(sentences)


def _of_trigger_state(_kind: str, _name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    expected, actual = attributes["enabled"]
    if actual == "DISABLED":
        return "the trigger does not fire: nothing enforces this rule"
    if expected == "ALWAYS":
        return "session_replication_role = replica now disables the trigger"
    return f"the trigger fires in other sessions than expected ({actual})"


def _of_owner(_kind: str, name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    return f"role {attributes['owner'][1]} can now alter or drop {name} and disable its protections"


def _of_row_security(_kind: str, _name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    if attributes.get("row_security", (None, None))[1] is False:
        return "policies no longer apply: every role with SELECT reads every row"
    return "policies now apply: rows can be hidden from the application or from a dump"


def _of_persistence(_kind: str, _name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    if attributes["persistence"][1] == "unlogged":
        return "a crash of the server empties it, and no standby or backup by log shipping has its rows"
    return "it is stored differently than expected"


_SPECIAL = {
    "KMS145": _of_trigger_state,
    "KMS301": _of_owner,
    "KMS302": _of_grants,
    "KMS303": _of_row_security,
    "KMS304": _of_persistence,
    "KMS306": lambda *_: "it is stored in another location: other backups have it, and it is lost with that location",
    "KMS307": lambda *_: "dropping the extension drops it, and a dump does not contain a member",
}
