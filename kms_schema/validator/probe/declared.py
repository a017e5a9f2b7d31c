"""The attempts at what the tables declare: NULL, length, type and CHECK of each column.

`declared.json` lists them by the constraint's name: `tools/declared_attempts.py` derives the values from the snapshots
of the head. A row of the list is refused by the constraint, or by the trigger that refuses the same first.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from kms_schema.validator.catalog.attributes import Attributes, Objects
from kms_schema.validator.probe.attempt import (
    CHECK_VIOLATION,
    NOT_NULL_VIOLATION,
    TOO_LONG,
    Attempt,
    Computed,
    Engine,
    Row,
    Statement,
    adding,
)
from kms_schema.validator.probe.operation_records import PUBLICATION, VALIDATION
from kms_schema.validator.probe.retention import EMPTIED, POLICY
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

_LIST = Path(__file__).with_name("declared.json")
TABLES = (
    "key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations", "key_audit_logs",
    "key_audit_seals", "key_audit_leaves", "key_audit_subtrees", "key_audit_actor", "key_audit_daily_totals",
    "key_rotation_causes", "key_audit_retention_policies", "key_operation_records",
)  # fmt: skip
"""The tables that the probe has a row of: no row of a tombstone is accepted."""
_SET_BY_SERVER = {"id", "sequence", "timestamp", "recorded_by"}
"""Columns of the audit log that a client cannot set: `audit_log` has the attempts at them."""


@dataclass(frozen=True)
class Declared:
    """A value that a column refuses."""

    table: str
    column: str
    refused: Any
    rule: str = ""
    """The name of the CHECK; none for NOT NULL and for the length of a type."""
    accepted: Any = None
    """The nearest value that the column accepts; None if the probe's own row has one."""
    length: int | None = None
    """The number of characters that the type accepts."""
    alone: bool = False
    """The value violates no other rule of its column."""
    engine: Engine | None = None


@cache
def declared() -> tuple[Declared, ...]:
    """Return the list."""
    return tuple(Declared(**each) for each in json.loads(_LIST.read_text("utf-8")))


def attempts(engine: Engine, expected: Objects) -> Iterator[Attempt]:
    """Yield the attempts; the `expected` objects of a revision decide which of two protections refuses first."""
    for each in declared():
        if each.engine not in {None, engine} or is_set_by_server(each.table, each.column):
            continue
        for attempt in _of(each, engine, expected):
            yield replace(attempt, foreign_keys=True) if attempt.table == "key_audit_actor" else attempt


def _of(each: Declared, engine: Engine, expected: Objects) -> Iterator[Attempt]:
    if each.length is not None and engine == "postgresql":
        yield _too_long(each)
    elif each.rule or each.length is not None:
        yield from _outside(each, engine, expected)
    elif not asked_before(engine, each.table, each.column, expected):
        yield _null(each, engine, expected)


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


def _null(each: Declared, engine: Engine, expected: Objects) -> Attempt:
    table, column = each.table, each.column
    given, row = base(table, column)
    statement = adding(table, {**row, column: None})
    tries, twin = f"{column} is NULL", adding(table, row)
    protection = next(
        (key for key, attributes in expected.items() if _forbids_null(key, attributes, table, column)), None
    )
    if engine == "sqlite" and protection:
        rule = protection.partition(".")[2].removesuffix("_insert")
        return Attempt(rule, table, tries, statement, given, twin, protection=protection)
    by_type = f"ck_{table}_{column}_type"
    if engine == "sqlite" and (protection := _says(table, by_type, expected)):
        return Attempt(by_type, table, tries, statement, given, twin, protection=protection)
    return Attempt(
        column, table, tries, statement, given, twin, NOT_NULL_VIOLATION, f"column {table}.{column}",
        only_protected=True, where={"nullable": False}, says=f"NOT NULL constraint failed: {table}.{column}",
    )  # fmt: skip


def _forbids_null(key: str, attributes: Attributes, table: str, column: str) -> bool:
    return (
        key.startswith(f"trigger {table}.guard_")
        and key.endswith("_not_null_insert")
        and re.search(rf"\bNEW\.{column} IS NULL", str(attributes["definition"])) is not None
    )


def _says(table: str, rule: str, expected: Objects) -> str | None:
    """Return the trigger that refuses a new row by a rule, before its constraints do."""
    of_table, says = f"trigger {table}.", f"'{rule}: "
    saying = (k for k, of in expected.items() if k.startswith(of_table) and says in str(of["definition"]))
    return next((k for k in saying if " BEFORE INSERT " in str(expected[k]["definition"])), None)


def _too_long(each: Declared) -> Attempt:
    """Return an attempt with a value that is too long; the server names the type, not the column."""
    given, statement, twin = _statements(each)
    return Attempt(
        "", each.table, _words(each), statement, given, twin, TOO_LONG, f"column {each.table}.{each.column}",
        only_protected=True, where={"type": f"character varying({each.length})"},
    )  # fmt: skip


def _outside(each: Declared, engine: Engine, expected: Objects) -> Iterator[Attempt]:
    """Yield the attempts at a CHECK: on SQLite a second one without CHECKs, if a trigger refuses the same."""
    rule = each.rule or f"ck_{each.table}_{each.column}_type"
    if is_of_type(key := f"constraint {each.table}.{rule}") and answered_before(key, expected):
        return
    given, statement, twin = _statements(each)
    yield Attempt(rule, each.table, _words(each), statement, given, twin, CHECK_VIOLATION)
    if engine == "sqlite" and _says(each.table, rule, expected):
        yield Attempt(rule, each.table, _words(each), statement, given, twin, CHECK_VIOLATION, checks_ignored=True)


def _words(each: Declared) -> str:
    if each.length is not None:
        return f"{each.column} has {each.length + 1} characters"
    value = _value(each.refused)
    shown = value.text.strip("'") if isinstance(value, Computed) else repr(value)[:40]
    return f"{each.column} is {shown}"


def _statements(each: Declared) -> tuple[tuple[Statement, ...], Statement, Statement]:
    """Return the statements before, the refused one, and the accepted one."""
    given, row = base(each.table, each.column)
    accepted = row if each.accepted is None else {**row, each.column: _value(each.accepted)}
    return given, adding(each.table, {**row, each.column: _value(each.refused)}), adding(each.table, accepted)


def _value(listed: Any) -> Any:
    """Return a value of the list: bytes, SQL and a repeated character are objects with one name."""
    if isinstance(listed, dict) and len(listed) == 1:
        ((kind, value),) = listed.items()
        if kind == "sql":
            return Computed(value)
        if kind == "hex":
            return bytes.fromhex(value)
        if len(kind) == 1:
            return kind * value
    return listed


def base(table: str, column: str) -> tuple[tuple[Statement, ...], Row]:
    """Return the statements before, and a row in which only `column` can be wrong."""
    of = active_key()
    held_by = hsm_key()
    given = (adding("key_masters", held_by if (table, column) == ("key_versions", "hsm_key_id") else of),)
    window = policy(rotation_window_start="22:00", rotation_window_end="06:00")
    special: dict[tuple[str, str], Row] = {
        ("key_operation_records", "seal_number"): PUBLICATION,
        ("key_masters", "hsm_key_id"): hsm_key(key_type="dek"),
        ("key_masters", "hsm_provider"): hsm_key(key_type="dek"),
        **{("key_masters", f"{each}_at"): key_in(each) for each in ("rotated", "expired", "revoked", "archived")},
        ("key_versions", "destroyed_at"): destroyed_version(of),
        ("key_versions", "hsm_key_id"): held_version(held_by),
        ("hsm_configurations", "wrapping_key_ref"): hsm(authentication_config=envelope()),
        ("key_versions", "wrapped_by_version_id"): destroyed_version(of),  # of what is destroyed it is history
        ("key_versions", "deactivated_at"): live_version(of, deactivated_at=FIRST),
        **{("key_rotations", f"{each}_at"): rotation_in(each.upper(), of) for each in ("completed", "failed")},
        **{("rotation_policies", f"rotation_window_{end}"): window for end in ("start", "end")},
    }
    usual = {
        "key_masters": of,
        "key_versions": version(of),
        "key_rotations": rotation_in("RUNNING", of),
        "rotation_policies": policy(),
        "hsm_configurations": hsm(),
        "key_audit_logs": entry(),
        "key_audit_actor": {"actor": "kms-probe"},
        "key_audit_retention_policies": POLICY,
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
    if table == "key_audit_retention_policies":
        return (EMPTIED,), row
    return (given if "key_id" in row and table != "key_masters" else ()), row
