"""The attempts at the audit log: every statement form that changes, removes, forges or suppresses an entry.

Entries are found by the probe's own key, never by reading the log. An accepted attempt must not touch the entries of
others, and its cost must not depend on the length of the log.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from kms_schema.validator.probe.attempt import IMPATIENT, Attempt, Row, SqlState, Statement, adding, plain
from kms_schema.validator.probe.rows import FIRST, active_key, entry
from kms_schema.validator.probe.shapes import Case, inserted
from kms_schema.validator.probe.statement_forms import Target, every_other_form

TABLE = "key_audit_logs"
INSERT_TRIGGER = "guard_key_audit_log_insert"
NO_UPDATE, NO_DELETE = "prevent_key_audit_log_update", "prevent_key_audit_log_delete"
SAID = "event_type, event_category, event_description"
RESTORING = Statement("SET LOCAL kms.restore = on")


def attempts() -> Iterator[Attempt]:
    """Yield the attempts on both engines; `audit_log_on_sqlite` has the others."""
    about = active_key()
    given = (adding("key_masters", about), adding(TABLE, entry(key_id=about["id"])))
    for rule, tries, text in _changes():
        yield Attempt(rule, TABLE, tries, plain(text, about=about["id"]), given, sqlstate=SqlState.WRITTEN_ONCE)
    for rule, tries, text in _changes_on_postgresql():
        statement = plain(text, about=about["id"])
        yield Attempt(rule, TABLE, tries, statement, given, sqlstate=SqlState.WRITTEN_ONCE, engine="postgresql")
    ours = Target(TABLE, "id", "event_type", "key_id = :about", given, NO_UPDATE, NO_DELETE, {"about": about["id"]})
    yield from every_other_form(ours)
    yield from _truncated()
    yield from _forged(about, given)
    yield from _restored(about, given)
    orphans: list[Case] = [(f"fk_{TABLE}_key_id_key_masters", "an entry is about no key", {"key_id": uuid.uuid4()})]
    yield from inserted(TABLE, entry(), orphans, sqlstate=SqlState.FOREIGN_KEY)
    yield from _shadowed()


OURS = "WHERE key_id = :about"


def _changes() -> tuple[tuple[str, str, str], ...]:
    trail = f"{{schema}}.{TABLE}"
    return (
        (NO_UPDATE, "UPDATE of an entry", f"UPDATE {trail} SET risk_score = 0 {OURS}"),
        (NO_UPDATE, "UPDATE of a column to itself", f"UPDATE {trail} SET event_type = event_type {OURS}"),
        (NO_UPDATE, "UPDATE of the sequence", f"UPDATE {trail} SET sequence = sequence + 100 {OURS}"),
        (NO_UPDATE, "UPDATE to sequence 0", f"UPDATE {trail} SET sequence = 0 {OURS}"),
        (NO_UPDATE, "UPDATE of the key", f"UPDATE {trail} SET key_id = NULL {OURS}"),
        (NO_UPDATE, "UPDATE of the time", f'UPDATE {trail} SET "timestamp" = "timestamp" {OURS}'),
        (NO_DELETE, "DELETE of an entry", f"DELETE FROM {trail} {OURS}"),
    )


def _changes_on_postgresql() -> tuple[tuple[str, str, str], ...]:
    trail = f"{{schema}}.{TABLE}"
    return (
        (
            NO_UPDATE, "UPDATE beside an INSERT",
            f"WITH calm AS (UPDATE {trail} SET risk_score = 0 {OURS} RETURNING 1) INSERT INTO {trail} ({SAID})"
            " SELECT 'CALM', 'SECURITY', 'all is well' FROM calm",
        ),
        (NO_UPDATE, "UPDATE ONLY", f"UPDATE ONLY {trail} SET risk_score = 0 {OURS}"),
    )  # fmt: skip


def _truncated() -> Iterator[Attempt]:
    rule = f"{NO_DELETE}_truncate"
    more: dict[str, Any] = {"given": IMPATIENT, "sqlstate": SqlState.WRITTEN_ONCE, "engine": "postgresql"}
    yield Attempt(rule, TABLE, "TRUNCATE of the trail", plain(f"TRUNCATE {{schema}}.{TABLE}"), **more)
    restarted = plain(f"TRUNCATE ONLY {{schema}}.{TABLE} RESTART IDENTITY")  # takes the owner of its sequence
    yield Attempt(rule, TABLE, "TRUNCATE ONLY, with its sequence", restarted, by="owner", **more)
    cascade = plain("TRUNCATE {schema}.key_masters CASCADE")
    others = ("prevent_key_master_truncate", "prevent_key_version_delete_truncate", "prevent_key_rotation_truncate")
    yield Attempt(rule, TABLE, "TRUNCATE … CASCADE of the keys", cascade, or_by=others, **more)


FORGED: Row = {
    "id": uuid.UUID("01900000-0000-7000-8000-000000000000"),
    "sequence": 9_000_000_000_000_000,
    "timestamp": FIRST,
    "recorded_by": "somebody else",
}


def _forged(about: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    cases: list[Case] = [
        (INSERT_TRIGGER, f"an entry brings its own {name}", {name: value}) for name, value in FORGED.items()
    ]
    cases.append((INSERT_TRIGGER, "an entry brings a negative sequence", {"sequence": -1}))
    yield from inserted(TABLE, entry(), cases)
    for name, value in FORGED.items():
        copied = Statement(
            f'COPY {{schema}}.{TABLE} ("{name}", {SAID}) FROM STDIN',
            copied=(f"{value}\tCOPIED\tSECURITY\tnever happened",),
        )
        permitted = Statement(f"COPY {{schema}}.{TABLE} ({SAID}) FROM STDIN", copied=("COPIED\tSECURITY\thappened",))
        tries = f"COPY brings an entry with its own {name}"
        yield Attempt(INSERT_TRIGGER, TABLE, tries, copied, permitted=permitted, engine="postgresql")
    for name in ("id", "sequence"):
        statement = _upsert(name, about)
        tries = f"an upsert rewrites the entry that has the same {name}"
        yield Attempt(INSERT_TRIGGER, TABLE, tries, statement, given, engine="postgresql")


def _upsert(name: str, about: Row) -> Statement:
    return plain(
        f"INSERT INTO {{schema}}.{TABLE} ({name}, {SAID}) SELECT {name}, event_type, event_category, 'rewritten'"
        f" FROM {{schema}}.{TABLE} {OURS}"
        f" ON CONFLICT ({name}) DO UPDATE SET event_description = excluded.event_description",
        about=about["id"],
    )


def _restored(about: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    """Only the owner may restore, and a restore does not duplicate entries."""
    row = entry(timestamp=FIRST)
    yield Attempt(
        INSERT_TRIGGER, TABLE, "a role other than the owner restores an entry", adding(TABLE, row), (RESTORING,),
        adding(TABLE, entry()), engine="postgresql", by="others",
    )  # fmt: skip
    more: dict[str, Any] = {"engine": "postgresql", "by": "owner"}
    restoring = (*given, RESTORING)
    for name, rule in (("id", f"pk_{TABLE}"), ("sequence", f"uq_{TABLE}_sequence")):
        upsert = _upsert(name, about)
        tries = f"an upsert in a restore rewrites the entry that has the same {name}"
        yield Attempt(NO_UPDATE, TABLE, tries, upsert, restoring, sqlstate=SqlState.WRITTEN_ONCE, **more)
        twice = plain(upsert.text.partition(" ON CONFLICT")[0], about=about["id"])
        tries = f"a restore brings a second entry with the same {name}"
        yield Attempt(rule, TABLE, tries, twice, restoring, sqlstate=SqlState.UNIQUE, **more)


def _shadowed() -> Iterator[Attempt]:
    """The triggers do not use objects that come first on the search_path, such as temporary tables."""
    missing = uuid.uuid4()
    shadow = (
        Statement("CREATE TEMPORARY TABLE key_masters (id uuid PRIMARY KEY)"),
        plain("INSERT INTO pg_temp.key_masters VALUES (:id)", id=missing),
        Statement("SET LOCAL search_path = pg_temp, pg_catalog"),
    )
    forged = adding(TABLE, entry(timestamp=FIRST))
    yield Attempt(
        f"fk_{TABLE}_key_id_key_masters", TABLE, "an entry is about a key of a temporary table",
        adding(TABLE, entry(key_id=missing)), shadow, adding(TABLE, entry()), SqlState.FOREIGN_KEY,
        engine="postgresql",
    )  # fmt: skip
    tries = "an entry is backdated with temporary objects first on the search path"
    yield Attempt(INSERT_TRIGGER, TABLE, tries, forged, shadow, adding(TABLE, entry()), engine="postgresql")
