"""The attempts at each column of a revision: NULL, and values that are not of its type.

These follow from the expected columns and constraints, so that a column that a later revision adds is tried as well.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kms_schema.validator.catalog.attributes import Attributes, Objects
from kms_schema.validator.probe.attempt import (
    NOT_NULL_VIOLATION,
    TOO_LONG,
    Attempt,
    Computed,
    Engine,
    Row,
    adding,
)
from kms_schema.validator.probe.operation_records import PUBLICATION, VALIDATION
from kms_schema.validator.probe.rows import (
    FIRST,
    active_key,
    destroyed_version,
    entry,
    envelope,
    held_version,
    hsm,
    hsm_key,
    key_in,
    live_version,
    page,
    policy,
    rotation_in,
    seal,
    seal_of_many,
    subtree,
    version,
)
from kms_schema.validator.probe.totals import TOTAL, cause

_LENGTH = re.compile(r"character varying\((\d+)\)")
_SET_BY_SERVER = {"id", "sequence", "timestamp", "recorded_by"}
"""Columns of the audit log that a client cannot set: `audit_log` has the attempts at them."""
_OF_TYPE = (
    ("GLOB '[0-9]", "2999-01-01"),
    ("date(", "2999-02-30"),
    ("GLOB '*[^0-9a-f]*'", "NOT AN ID"),
    ("json_valid", "{"),
    ("typeof({column}) = 'blob'", "\x01" + "x" * 60),
    ("typeof({column}) = 'real'", "much"),
    ("typeof({column}) = 'integer'", 1.5),
    ("{column} IN (0, 1)", 2),
    ("", "NUL\0inside"),
)
"""For the text of a CHECK of a type on SQLite, a value that it refuses."""
_ILL_TYPED: dict[tuple[str, str], Any] = {
    ("key_audit_seals", "root_hash"): "x" * 32,
    ("key_audit_seals", "previous_seal_hash"): "x" * 32,
    ("key_audit_seals", "signature"): "x" * 68,
    ("key_audit_seals", "compact_range"): "x" * 32,
    ("key_audit_seals", "last_sequence"): "many",
    ("key_audit_leaves", "hashes"): "x" * 32,
    ("key_audit_subtrees", "level"): 48.5,
    ("key_audit_subtrees", "hash"): "x" * 32,
}
"""Values that pass every other rule of their column."""


def attempts(engine: Engine, expected: Objects) -> Iterator[Attempt]:
    """Yield the attempts at each column of a table that the probe has a row of."""
    for attempt in _attempts(engine, expected):
        yield replace(attempt, foreign_keys=True) if attempt.table == "key_audit_actor" else attempt


def _attempts(engine: Engine, expected: Objects) -> Iterator[Attempt]:
    for key, attributes in expected.items():
        table, _, column = key.removeprefix("column ").partition(".")
        if key.startswith("column ") and table in _TABLES and not _is_set_by_server(table, column):
            if not attributes.get("nullable", True) and not _asked_before(engine, table, column, expected):
                yield _null(engine, table, column, expected)
            length = _LENGTH.fullmatch(str(attributes.get("type")))
            if length:
                yield _too_long(table, column, int(length[1]))
    for key, attributes in expected.items():
        if is_of_type(key) and answered_before(key, expected) is None:
            yield from _malformed(engine, key, attributes)


def is_of_type(key: str) -> bool:
    """Return whether an object is the CHECK for the type of a column: of every one on SQLite, else of a time."""
    return key.startswith("constraint ") and key.endswith("_type")


def answered_before(key: str, expected: Objects) -> str | None:
    """Return the object that refuses first all that the CHECK of a type would; None if the CHECK can be reached."""
    table, column = _table_and_column(key)
    if _is_set_by_server(table, column):
        return f"trigger {table}.guard_key_audit_log_insert"
    if first := _asked_before("sqlite", table, column, expected):
        return first
    if (table, column) == ("key_audit_seals", "origin"):
        return f"trigger {table}.{_INSERT_PROTECTIONS[table]}"  # but for the first seal's: later ones have the same
    if (table, column) in _ILL_TYPED:
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


def _table_and_column(key: str) -> tuple[str, str]:
    table, _, rule = key.removeprefix("constraint ").partition(".")
    return table, rule.removeprefix(f"ck_{table}_").removesuffix("_type")


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


def _asked_before(engine: Engine, table: str, column: str, expected: Objects) -> str | None:
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


def _is_set_by_server(table: str, column: str) -> bool:
    return table == "key_audit_logs" and column in _SET_BY_SERVER


def _null(engine: Engine, table: str, column: str, expected: Objects) -> Attempt:
    given, row = _base(table, column)
    statement = adding(table, {**row, column: None})
    tries, twin = f"{column} is NULL", adding(table, row)
    protection = next(
        (key for key, attributes in expected.items() if _forbids_null(key, attributes, table, column)), None
    )
    if engine == "sqlite" and protection:
        rule = protection.partition(".")[2].removesuffix("_insert")
        return Attempt(rule, table, tries, statement, given, twin, protection=protection)
    by_type = f"ck_{table}_{column}_type"
    if engine == "sqlite" and (
        protection := next((k for k, f in expected.items() if _says(k, f, table, by_type)), None)
    ):
        return Attempt(by_type, table, tries, statement, given, twin, protection=protection)
    says = f"NOT NULL constraint failed: {table}.{column}"
    object_key = f"column {table}.{column}"
    return Attempt(column, table, tries, statement, given, twin, NOT_NULL_VIOLATION, protection=object_key, says=says)


def _forbids_null(key: str, attributes: Attributes, table: str, column: str) -> bool:
    return (
        key.startswith(f"trigger {table}.guard_")
        and key.endswith("_not_null_insert")
        and re.search(rf"\bNEW\.{column} IS NULL", str(attributes["definition"])) is not None
    )


def _says(key: str, attributes: Attributes, table: str, rule: str) -> bool:
    return key.startswith(f"trigger {table}.") and f"'{rule}: " in str(attributes["definition"])


def _too_long(table: str, column: str, length: int) -> Attempt:
    """Return an attempt with a value that is too long; the server names the type, not the column."""
    given, row = _base(table, column)
    statement = adding(table, {**row, column: "x" * (length + 1)})
    object_key = f"column {table}.{column}"
    tries = f"{column} has {length + 1} characters"
    return Attempt("", table, tries, statement, given, adding(table, row), TOO_LONG, object_key, engine="postgresql")


def _malformed(engine: Engine, key: str, attributes: Attributes) -> Iterator[Attempt]:
    table, column = _table_and_column(key)
    if table not in _TABLES:
        return
    rule = f"ck_{table}_{column}_type"
    given, row = _base(table, column)
    if engine == "postgresql":
        infinity = "-infinity" if column == "created_at" else "infinity"
        forbidden = adding(table, {**row, column: Computed(f"'{infinity}'")})
        yield Attempt(rule, table, f"{column} is {infinity}", forbidden, given, adding(table, row), engine=engine)
        return
    definition = str(attributes["definition"])
    usual = next(value for says, value in _OF_TYPE if says.format(column=column) in definition)
    value = _ILL_TYPED.get((table, column), usual)
    for ignored in (False, True) if table == "key_audit_logs" else (False,):
        yield Attempt(
            rule, table, f"{column} is {value!r:.40}", adding(table, {**row, column: value}), given,
            adding(table, row), engine="sqlite", checks_ignored=ignored,
        )  # fmt: skip


_TABLES = (
    "key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations", "key_audit_logs",
    "key_audit_seals", "key_audit_leaves", "key_audit_subtrees", "key_audit_actor", "key_audit_daily_totals",
    "key_rotation_causes", "key_operation_records",
)  # fmt: skip


def _base(table: str, column: str) -> tuple[tuple[Any, ...], Row]:
    """Return a row in which only `column` can be wrong, and the statements before it."""
    of = active_key()
    held_by = hsm_key()
    given = (adding("key_masters", held_by if (table, column) == ("key_versions", "hsm_key_id") else of),)
    special: dict[tuple[str, str], Row] = {
        ("key_operation_records", "seal_number"): PUBLICATION,
        ("key_masters", "hsm_key_id"): hsm_key(key_type="dek"),
        **{("key_masters", f"{each}_at"): key_in(each) for each in ("rotated", "expired", "revoked", "archived")},
        ("key_versions", "destroyed_at"): destroyed_version(of),
        ("key_versions", "hsm_key_id"): held_version(held_by),
        ("hsm_configurations", "wrapping_key_ref"): hsm(authentication_config=envelope()),
        ("key_versions", "wrapped_by_version_id"): destroyed_version(of),  # of what is destroyed it is history
        ("key_versions", "deactivated_at"): live_version(of, deactivated_at=FIRST),
        **{("key_rotations", f"{each}_at"): rotation_in(each.upper(), of) for each in ("completed", "failed")},
    }
    usual = {
        "key_masters": of,
        "key_versions": version(of),
        "key_rotations": rotation_in("RUNNING", of),
        "rotation_policies": policy(),
        "hsm_configurations": hsm(),
        "key_audit_logs": entry(),
        "key_audit_actor": {"actor": "kms-probe"},
        "key_audit_seals": seal(next_key="unknown", snapshot_xmax=1, system_identifier="1"),
        "key_audit_leaves": page(),
        "key_audit_subtrees": subtree(),
        "key_audit_daily_totals": TOTAL,
        "key_rotation_causes": cause(),
        "key_operation_records": VALIDATION,
    }
    row = special.get((table, column)) or usual[table]
    if table in {"key_audit_leaves", "key_audit_subtrees"}:
        return (adding("key_audit_seals", seal_of_many()),), row
    return (given if "key_id" in row and table != "key_masters" else ()), row
