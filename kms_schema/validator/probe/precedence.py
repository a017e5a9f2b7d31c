"""Which of several rules refuses a value first: triggers before constraints, narrow constraints before types."""

import re

from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.probe.attempt import Engine, declared

_SET_BY_SERVER = {"id", "sequence", "timestamp", "recorded_by"}
"""Columns of the audit log that a client cannot set: `audit_log` has the attempts at them."""


def is_of_type(key: str) -> bool:
    """Return whether an object is the CHECK for the type of a column: of every one on SQLite, else of a time."""
    return key.startswith("constraint ") and key.endswith("_type")


def answered_before(key: str, expected: Objects) -> str | None:
    """Return the object that refuses first all that the CHECK of a type would; None if the CHECK can be reached."""
    table, _, rule = key.removeprefix("constraint ").partition(".")
    column = rule.removeprefix(f"ck_{table}_").removesuffix("_type")
    if is_set_by_server(table, column):
        return f"trigger {table}.guard_key_audit_log_insert"
    if first := asked_before("sqlite", table, column, expected):
        return first
    if (table, column) == ("key_audit_seals", "origin"):
        return f"trigger {table}.{_INSERT_PROTECTIONS[table]}"  # but for the first seal's: later ones have the same
    if any(each.rule == rule and each.alone for each in declared()):
        return None
    names = [f"constraint {table}.ck_{table}_{column}_{suffix}" for suffix in _NARROWER]
    names += [f"constraint {table}.ck_{table}_{name}" for name in _NARROWER_STILL.get(column, ())]
    return next((name for name in names if name in expected), None)


_NARROWER = ("known", "is_object", "is_array", "is_object_or_array", "is_sha256", "is_hh_mm", "is_envelope")
_NARROWER_STILL = {
    "encrypted_key_data": ("material_is_envelope",),
    "until_commit": ("until_commit_blank",),
    "entropy_score": ("entropy_score_range",),  # a number is stored as one of the right type
}


def _is_followed(table: str, column: str, expected: Objects) -> str | None:
    """Return the trigger that checks a reference first, and refuses a missing row."""
    of_table, foreign_key = f"trigger {table}.", f"constraint {table}.fk_"
    for key, attributes in expected.items():
        if not key.startswith(foreign_key):
            continue
        name = key.removeprefix(f"constraint {table}.")
        referring = re.match(r"FOREIGN KEY ?\(([^)]*)\)", str(attributes.get("definition", "")))
        if referring and column in re.findall(r"\w+", referring[1]):
            for trigger, of_trigger in expected.items():
                if trigger.startswith(of_table) and (
                    f"'{name}: " in str(of_trigger.get("definition", "")) or trigger == _FOLLOWING.get(name)
                ):
                    return trigger
    return None


def asked_before(engine: Engine, table: str, column: str, expected: Objects) -> str | None:
    """Return the trigger that refuses any wrong value, NULL included, before the column's constraints."""
    if f"{table}.{column}" in _COUNTED_ON or (
        engine == "sqlite" and (table, column) == ("key_audit_seals", "tree_size")
    ):
        return f"trigger {table}.{_INSERT_PROTECTIONS[table]}"
    if table == "key_operation_records" and column in _SET_BY_SERVER | {"recorded_at"} and _RECORD_GUARD in expected:
        return _RECORD_GUARD
    return _is_followed(table, column, expected)


_INSERT_PROTECTIONS = {
    "key_audit_seals": "guard_key_audit_seal_insert",
    "key_audit_leaves": "guard_key_audit_leaf_insert",
    "key_audit_subtrees": "guard_key_audit_subtree_insert",
}
_RECORD_GUARD = "trigger key_operation_records.guard_key_operation_record_insert"
"""On SQLite: accepts only the present time, and no role."""
_COUNTED_ON = {"key_audit_seals.seal_number", "key_audit_leaves.first_leaf", "key_audit_subtrees.position"}
"""Columns for which the guard trigger accepts only the next value."""
_FOLLOWING = {"fk_key_versions_key_id_key_masters": "trigger key_versions.validate_key_version_material"}
"""On PostgreSQL, whose trigger definitions do not name the rule."""


def is_set_by_server(table: str, column: str) -> bool:
    """Return whether no client can set a column of the audit log."""
    return table == "key_audit_logs" and column in _SET_BY_SERVER
