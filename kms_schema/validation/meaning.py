"""What a difference means for security or data, in a sentence."""

from collections.abc import Mapping
from typing import Any

from kms_schema.validation.catalog import ROUTINE_KINDS, kind_and_name
from kms_schema.validation.compare import Difference, Kind
from kms_schema.validation.grants import role_and_privileges

AUDIT_TABLE = "key_audit_logs"
_REWRITING = frozenset({"UPDATE", "DELETE", "TRUNCATE", "TRIGGER"})

_MISSING = {
    "table": "what it holds is gone, and everything that relies on it fails",
    "column": "what it held is gone, and programs that name it fail",
    "constraint": "rows that break this rule are no longer refused",
    "index": "queries that rely on it scan the whole table; a unique one no longer keeps duplicates out",
    "trigger": "nothing enforces this rule any more",
    "function": "whatever calls it fails, or has been switched to something else",
    "view": "queries on it fail",
    "materialized view": "queries on it fail",
    "sequence": "new rows get no number from it",
    "rule": "statements are no longer rewritten as the package has it",
    "policy": "rows are shown to, or hidden from, other roles than the package says",
    "statistics": "the planner may choose slower plans",
}
_UNEXPECTED = {
    "table": "it goes by the name of something of ours and is not it",
    "column": "it holds data that nothing here guards, seals or documents",
    "constraint": "it can refuse rows that the package allows",
    "index": "it makes writes slower; a unique one refuses rows that the package allows",
    "trigger": "it runs inside our writes: it can change, redirect or silently swallow rows",
    "function": "calls may reach it instead of ours",
    "view": "it goes by the name of something of ours and is not it",
    "materialized view": "it goes by the name of something of ours and is not it",
    "sequence": "a column of ours takes numbers from it",
    "rule": "it rewrites statements before any trigger sees them, and can make writes vanish",
    "policy": "it changes which rows roles can see or write",
    "child table": "its rows are read as ours, and none of our constraints and triggers guards them",
    "statistics": "the planner may choose other plans",
    "incoming reference": "a table of the host's relies on our rows, so that deleting one can fail",
}
_CHANGED = {
    "table": "it is not kept as the package made it",
    "column": "it takes, fills in or keeps other values than the package promises",
    "constraint": "it holds another rule under the same name: rows that break ours may be in already",
    "index": "queries planned for it may miss it; a unique one keeps another key unique",
    "trigger": "it no longer runs when, or does what, the package promises",
    "function": "every trigger and query that calls it now does something else",
    "view": "it shows something else under the same name",
    "materialized view": "it shows something else under the same name",
    "sequence": "numbers come in another order or with gaps: entries can be overlooked",
    "rule": "it rewrites statements in another way",
    "policy": "it shows or hides other rows than the package says",
    "statistics": "the planner may choose other plans",
}


GENERAL: Mapping[Kind, Mapping[str, str]] = {
    Kind.MISSING: _MISSING,
    Kind.UNEXPECTED: _UNEXPECTED,
    Kind.CHANGED: _CHANGED,
}
"""What a difference means, by the kind of object; of a renamed one always `RENAMED`."""
RENAMED = "whatever names it, upgrades included, fails"


def meaning_of(difference: Difference, code: str, facts: Mapping[str, tuple[Any, Any]], table: str | None) -> str:
    """Return what `facts` (the share of the difference that `code` names) mean; `table` is what the object
    hangs on.
    """
    kind, name = kind_and_name(difference.key)
    guarded = " of audit rows" if AUDIT_TABLE in {table, name} else ""
    special = _SPECIAL.get(code)
    if special is not None:
        return special(kind, name, facts)
    kind = {"partitioned table": "table", "foreign table": "table"}.get(kind, kind)
    kind = "function" if kind in ROUTINE_KINDS else kind
    match difference.kind:
        case Kind.MISSING:
            text = _MISSING.get(kind, "it is gone")
        case Kind.UNEXPECTED:
            text = _UNEXPECTED.get(kind, "the package did not make it")
        case Kind.RENAMED:
            text = RENAMED
        case Kind.CHANGED:
            text = _changed(kind, facts)
    return f"{text} (the guard{guarded})" if guarded and kind in {"trigger", "rule"} else text


def _changed(kind: str, facts: Mapping[str, tuple[Any, Any]]) -> str:
    if "settings" in facts:
        return "names in it can be looked up elsewhere: whoever may create objects there can have it call theirs"
    if "security_definer" in facts:
        run_as = "its owner's" if facts["security_definer"][1] else "the caller's"
        return f"it now runs with {run_as} rights"
    return _CHANGED.get(kind, "it is not what the package made")


def _of_grants(_kind: str, name: str, facts: Mapping[str, tuple[Any, Any]]) -> str:
    """Say who can do what now that could not, worst first."""
    expected, actual = (frozenset(lines or ()) for lines in facts["grants"])
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


def _of_trigger_state(_kind: str, _name: str, facts: Mapping[str, tuple[Any, Any]]) -> str:
    expected, actual = facts["enabled"]
    if actual == "DISABLED":
        return "the trigger does not run: nothing enforces this rule"
    if expected == "ALWAYS":
        return "session_replication_role = replica now switches the trigger off"
    return f"the trigger fires in other sessions than promised ({actual})"


def _of_owner(_kind: str, name: str, facts: Mapping[str, tuple[Any, Any]]) -> str:
    return f"role {facts['owner'][1]} can now alter or drop {name} and switch off what guards it"


def _of_row_security(_kind: str, _name: str, facts: Mapping[str, tuple[Any, Any]]) -> str:
    if facts.get("row_security", (None, None))[1] is False:
        return "policies no longer apply: every role with SELECT sees every row"
    return "policies now decide which rows roles see: rows can be hidden from the application, or from a dump"


def _of_persistence(_kind: str, _name: str, facts: Mapping[str, tuple[Any, Any]]) -> str:
    if facts["persistence"][1] == "unlogged":
        return "a crash of the server empties it, and no standby or backup by log shipping has its rows"
    return "it is kept in another way than the package made it"


_SPECIAL = {
    "KMS125": lambda *_: "rows that were there before may break the rule",
    "KMS126": lambda *_: (
        "the triggers that keep the foreign key are off: rows can point at nothing, and parents be deleted"
    ),
    "KMS135": lambda *_: "an interrupted build left it: queries do not use it, and a unique one keeps no duplicate out",
    "KMS145": _of_trigger_state,
    "KMS175": lambda *_: "queries on it fail until it is refreshed",
    "KMS301": _of_owner,
    "KMS302": _of_grants,
    "KMS303": _of_row_security,
    "KMS304": _of_persistence,
    "KMS305": lambda *_: "documentation only",
    "KMS306": lambda *_: "it is stored elsewhere: with other backups, and gone if that place is",
    "KMS307": lambda *_: "it goes when the extension is dropped, and a member is in no dump",
}
