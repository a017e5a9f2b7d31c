"""Attempts that many rules share: a row that is changed into a forbidden one, a row that replaces another."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from kms_schema.validator.probe.attempt import Attempt, Row, SqlState, Statement, adding, changing

Case = tuple[str, str, Row]
"""A rule, the attempt in words, and the values with which a valid row violates the rule."""


def of_rule(rule: str, tries: str, **change: Any) -> Case:
    """Return a case of a rule, with the values as arguments."""
    return rule, tries, change


def of_check(table: str, suffix: str, tries: str, **change: Any) -> Case:
    """Return a case of a CHECK of a table, which is named without the beginning that all have."""
    return f"ck_{table}_{suffix}", tries, change


SINGULAR = {
    "key_masters": "key_master",
    "key_versions": "key_version",
    "rotation_policies": "rotation_policy",
    "key_rotations": "key_rotation",
    "hsm_configurations": "hsm_configuration",
}
"""The table in the names of its triggers."""


def inserted(
    table: str, row: Row, cases: Sequence[Case], given: Sequence[Statement] = (), **more: Any
) -> Iterator[Attempt]:
    """Yield for each case the INSERT of the changed row; the row itself must be accepted."""
    for rule, tries, change in cases:
        forbidden = adding(table, {**row, **change})
        yield Attempt(rule, table, tries, forbidden, tuple(given), adding(table, row), **more)


def inserted_in_plaintext(
    table: str, row: Row, cases: Sequence[Case], given: Sequence[Statement] = (), *, trigger: str
) -> Iterator[Attempt]:
    """Yield the INSERT of each case. On PostgreSQL `trigger` refuses it before a CHECK would print the row."""
    yield from inserted(table, row, cases, given, unless=f"function {trigger}()")
    of_trigger = [(trigger, tries, change) for _, tries, change in cases]
    yield from inserted(table, row, of_trigger, given, engine="postgresql")


def updated(
    table: str, row: Row, cases: Sequence[Case], *, permitted: Row, given: Sequence[Statement] = (), **more: Any
) -> Iterator[Attempt]:
    """Yield for each case the UPDATE of a stored row; the change that is `permitted` must be accepted."""
    before = (*given, adding(table, row))
    for rule, tries, change in cases:
        twin = changing(table, row, **permitted)
        yield Attempt(rule, table, tries, changing(table, row, **change), before, twin, **more)


def identity(table: str, row: Row, *, permitted: Row, given: Sequence[Statement] = (), **changes: Any) -> list[Attempt]:
    """Return attempts to change the identity of a row, one column each."""
    rule = f"protect_{SINGULAR[table]}_identity"
    cases = [(rule, f"the {column} of a row is changed", {column: value}) for column, value in changes.items()]
    return list(updated(table, row, cases, permitted=permitted, given=given))


def unique(
    table: str, rule: str, row: Row, taken: Row, *, given: Sequence[Statement] = (), conflict: str = "id"
) -> Iterator[Attempt]:
    """Yield every INSERT of a row that would be a second one with the unique values `taken`.

    On SQLite a guard trigger must refuse REPLACE and upserts.
    """
    another = {**row, "id": uuid.uuid4(), **taken}
    of = ", ".join(taken)
    before = (*given, adding(table, row))
    plain = Attempt(
        rule, table, f"a second row has the same {of}", adding(table, another), before, sqlstate=SqlState.UNIQUE
    )
    yield plain
    protection = f"trigger {table}.guard_{SINGULAR[table]}_insert"
    endings = [(verb, "") for verb in ("REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL")]
    endings += [("INSERT", f" ON CONFLICT {then}") for then in ("DO NOTHING", f"({conflict}) DO UPDATE SET id = id")]
    for verb, end in endings:
        tries = f"{verb}{end} replaces a row that has the same {of}"
        statement = adding(table, another, verb, end)
        yield Attempt(
            rule, table, tries, statement, before, protection=protection, only_protected=True, engine="sqlite"
        )


def displacing(
    table: str, rule: str, row: Row, other: Row, taken: Row, *, given: Sequence[Statement] = ()
) -> Iterator[Attempt]:
    """Yield every UPDATE OR … that gives `row` the unique values `taken`, which `other`, stored as well, has."""
    protection = f"trigger {table}.guard_{SINGULAR[table]}_update"
    before = (*given, adding(table, row), adding(table, other))
    for resolution in ("", " OR REPLACE", " OR IGNORE"):
        tries = f"UPDATE{resolution} gives a row the {', '.join(taken)} of another"
        statement = changing(table, row, f"UPDATE{resolution}", **taken)
        more: dict[str, Any] = {"only_protected": True, "engine": "sqlite"} if resolution else {}
        yield Attempt(rule, table, tries, statement, before, protection=protection, sqlstate=SqlState.UNIQUE, **more)


def nulls_replaced(table: str, row: Row, column: str, *, given: Sequence[Statement] = ()) -> Iterator[Attempt]:
    """Yield attempts to replace a NULL by the default of its column (SQLite)."""
    trigger = f"guard_{SINGULAR[table]}_not_null"
    insertion = adding(table, {**row, column: None}, "INSERT OR REPLACE")
    change = changing(table, row, "UPDATE OR REPLACE", **{column: None})
    stored = (*given, adding(table, row))
    more: dict[str, Any] = {"only_protected": True, "engine": "sqlite", "sqlstate": SqlState.CHECK}
    for suffix, before, statement in (("_insert", tuple(given), insertion), ("", stored, change)):
        tries = f"{'INSERT' if suffix else 'UPDATE'} OR REPLACE replaces a NULL {column} by its default"
        yield Attempt(trigger, table, tries, statement, before, protection=f"trigger {table}.{trigger}{suffix}", **more)
