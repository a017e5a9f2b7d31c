"""The attempts at what the tables declare: NULL, length, type and CHECK of each column.

`declared.json` lists them by the constraint's name: `tools/declared_attempts.py` derives the values from the snapshots
of the head. A row of the list is refused by the constraint, or by the trigger that refuses the same first.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kms_schema.validator.catalog.attributes import Attributes, Objects
from kms_schema.validator.probe.attempt import (
    Attempt,
    Computed,
    Declared,
    Engine,
    Row,
    SqlState,
    Statement,
    adding,
    declared,
)
from kms_schema.validator.probe.operation_records import PUBLICATION, TOTAL, VALIDATION, cause
from kms_schema.validator.probe.precedence import answered_before, asked_before, is_of_type, is_set_by_server
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

TABLES = (
    "key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations", "key_audit_logs",
    "key_audit_seals", "key_audit_leaves", "key_audit_subtrees", "key_audit_actor", "key_audit_daily_totals",
    "key_rotation_causes", "key_audit_retention_policies", "key_operation_records",
)  # fmt: skip
"""The tables that the probe has a row of: no row of a tombstone is accepted."""


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
        column, table, tries, statement, given, twin, SqlState.NOT_NULL, f"column {table}.{column}",
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
        "", each.table, _words(each), statement, given, twin, SqlState.TOO_LONG, f"column {each.table}.{each.column}",
        only_protected=True, where={"type": f"character varying({each.length})"},
    )  # fmt: skip


def _outside(each: Declared, engine: Engine, expected: Objects) -> Iterator[Attempt]:
    """Yield the attempts at a CHECK: on SQLite a second one without CHECKs, if a trigger refuses the same."""
    rule = each.rule or f"ck_{each.table}_{each.column}_type"
    if is_of_type(key := f"constraint {each.table}.{rule}") and answered_before(key, expected):
        return
    given, statement, twin = _statements(each)
    yield Attempt(rule, each.table, _words(each), statement, given, twin, SqlState.CHECK)
    if engine == "sqlite" and _says(each.table, rule, expected):
        yield Attempt(rule, each.table, _words(each), statement, given, twin, SqlState.CHECK, checks_ignored=True)


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
