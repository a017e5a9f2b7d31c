"""Unique keys, and every statement that would replace a row instead of failing.

SQLite's REPLACE deletes conflicting rows without firing DELETE triggers, and replaces NULL by defaults after BEFORE
triggers have run. Its effects depend on settings of the client (foreign_keys, recursive_triggers), so each statement
runs with all of them.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from itertools import product

import pytest

from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import (
    Row,
    audit_entry,
    envelope,
    insert,
    key_master,
    key_rotation,
    key_version,
    live_key_version,
    now,
)
from support.statements import dialect_of, execute, refused
from tests.schema.key_rules import (
    NOT_NULL_VIOLATION,
    delete_refused,
    insert_refused,
    is_recent,
    stored,
    update,
    update_refused,
    update_statement,
    value,
)

pytestmark = pytest.mark.versions("oldest and newest")

RESOLUTIONS = ("ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK")
MASTER_DEFAULTS = ("id", "status", "created_at", "usage_count", "security_level", "updated_at")
VERSION_DEFAULTS = ("id", "created_at", "usage_count", "data_volume_bytes", "ciphertext_tag")

# Unique key, and for ON CONFLICT its columns (with the predicate of a partial one).
UNIQUE_KEYS = {
    "pk_key_masters": "(id)",
    "uq_key_masters_key_id": "(key_id)",
    "pk_key_versions": "(id)",
    "uq_key_versions_key_id_version_number": "(key_id, version_number)",
    "uq_key_versions_ciphertext_tag": "(ciphertext_tag)",
    "uq_key_versions_live": "(key_id) WHERE activated_at IS NOT NULL AND deactivated_at IS NULL",
}


def table_of(rule: str) -> str:
    return "key_masters" if "key_masters" in rule else "key_versions"


def verbs(connection: Connection, verb: str) -> list[str]:
    """Return every way to begin an INSERT or an UPDATE on this engine."""
    if dialect_of(connection) == "postgresql":
        return [verb]
    forms = [verb, *(f"{verb} OR {resolution}" for resolution in RESOLUTIONS)]
    return [*forms, "REPLACE"] if verb == "INSERT" else forms


def settings(connection: Connection) -> Iterator[None]:
    """Go through the settings of the engine that could matter."""
    if dialect_of(connection) == "postgresql":
        yield
        return
    for foreign_keys, recursive_triggers in product(("OFF", "ON"), repeat=2):
        connection.execute(f"PRAGMA foreign_keys = {foreign_keys}")  # type: ignore[arg-type]
        connection.execute(f"PRAGMA recursive_triggers = {recursive_triggers}")  # type: ignore[arg-type]
        yield


def rows_that_clash(connection: Connection, rule: str) -> tuple[Row, Row]:
    """Return a stored row, and a new one that only `rule` forbids beside it."""
    key = insert(connection, "key_masters", **key_master())
    new_key, new_version = key_master(), key_version(key, version_number=2)
    if table_of(rule) == "key_masters":
        return key, {**new_key, **({"id": key["id"]} if rule == "pk_key_masters" else {"key_id": key["key_id"]})}
    if rule == "uq_key_versions_live":
        live = insert(connection, "key_versions", **live_key_version(key))
        return live, live_key_version(key, version_number=2)
    version = insert(connection, "key_versions", **key_version(key, ciphertext_tag=7))
    if rule == "uq_key_versions_ciphertext_tag":
        return version, {**new_version, "ciphertext_tag": 7}
    return version, {**new_version, **({"id": version["id"]} if rule == "pk_key_versions" else {"version_number": 1})}


@pytest.mark.parametrize("rule", UNIQUE_KEYS)
def test_no_insert_displaces_a_row(database: Database, rule: str) -> None:
    with closing(database.connect()) as connection:
        old, new = rows_that_clash(connection, rule)
        before = stored(connection, table_of(rule), old)
        for _ in settings(connection):
            for verb in verbs(connection, "INSERT"):
                insert_refused(connection, table_of(rule), new, rule=rule, verb=verb)
                assert stored(connection, table_of(rule), old) == before


@pytest.mark.parametrize("rule", UNIQUE_KEYS)
def test_an_upsert_changes_nothing_that_an_update_may_not(database: Database, rule: str) -> None:
    """SQLite refuses upserts altogether, a gap to PostgreSQL, where the rules of UPDATE apply to them."""
    identity = f"protect_{table_of(rule).removesuffix('s')}_identity"
    with closing(database.connect()) as connection:
        old, new = rows_that_clash(connection, rule)
        before = stored(connection, table_of(rule), old)
        columns, places = ", ".join(new), ", ".join(f":{column}" for column in new)
        insertion = f"INSERT INTO {table_of(rule)} ({columns}) VALUES ({places}) ON CONFLICT {UNIQUE_KEYS[rule]}"  # noqa: S608
        sqlite = database.dialect == "sqlite"
        for _ in settings(connection):
            update = f"{insertion} DO UPDATE SET created_at = '2020-01-01T00:00:00.000000Z'"
            refused(connection, update, new, rule=rule if sqlite else identity)
            if sqlite:
                refused(connection, f"{insertion} DO NOTHING", new, rule=rule)
            else:
                execute(connection, f"{insertion} DO NOTHING", new)
            assert stored(connection, table_of(rule), old) == before


def rows_that_a_change_makes_clash(connection: Connection, rule: str) -> tuple[Row, Row, Row]:
    """Return two stored rows, and the change of the second one that runs into the first."""
    key, other_key = (insert(connection, "key_masters", **key_master()) for _ in range(2))
    if table_of(rule) == "key_masters":
        column = "id" if rule == "pk_key_masters" else "key_id"
        return key, other_key, {column: key[column]}
    first = insert(connection, "key_versions", **live_key_version(key, ciphertext_tag=7))
    second = insert(connection, "key_versions", **key_version(key, version_number=2))
    changes = {
        "pk_key_versions": {"id": first["id"]},
        "uq_key_versions_key_id_version_number": {"version_number": 1},
        "uq_key_versions_ciphertext_tag": {"ciphertext_tag": 7},
        "uq_key_versions_live": {"activated_at": now()},
    }
    return first, second, changes[rule]


@pytest.mark.parametrize("rule", UNIQUE_KEYS)
def test_no_update_displaces_a_row(database: Database, rule: str) -> None:
    table = table_of(rule)
    # Identity columns never change, so that only the unique key of the live version conflicts.
    expected = rule if rule == "uq_key_versions_live" else f"protect_{table.removesuffix('s')}_identity"
    with closing(database.connect()) as connection:
        in_the_way, changed, change = rows_that_a_change_makes_clash(connection, rule)
        before = stored(connection, table, in_the_way)
        for _ in settings(connection):
            for verb in verbs(connection, "UPDATE"):
                update_refused(connection, table, changed, change, rule=expected, verb=verb)
                assert stored(connection, table, in_the_way) == before


def test_reviving_a_version_does_not_displace_the_live_one(database: Database) -> None:
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **key_master())
        ended = insert(connection, "key_versions", **live_key_version(key))
        update(connection, "key_versions", ended, deactivated_at=now())
        live = insert(connection, "key_versions", **live_key_version(key, version_number=2))
        before = stored(connection, "key_versions", live)
        for _ in settings(connection):
            for verb in verbs(connection, "UPDATE"):
                revival = {"deactivated_at": None}
                update_refused(connection, "key_versions", ended, revival, rule="uq_key_versions_live", verb=verb)
                assert stored(connection, "key_versions", live) == before


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("key_masters", column) for column in MASTER_DEFAULTS),
        *(("key_versions", column) for column in VERSION_DEFAULTS),
    ],
)
def test_a_default_does_not_replace_null(database: Database, table: str, column: str) -> None:
    sqlite = database.dialect == "sqlite"
    rule = f"guard_{table.removesuffix('s')}_not_null" if sqlite else column
    earlier = {"id": "identity", "created_at": "identity", "ciphertext_tag": "identity", "status": "lifecycle"}.get(
        column
    )
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **key_master(usage_count=7))
        version = insert(connection, "key_versions", **key_version(key, usage_count=7, data_volume_bytes=7))
        row = key if table == "key_masters" else version
        new = {**(key_master() if table == "key_masters" else key_version(key, version_number=2)), column: None}
        for _ in settings(connection):
            for verb in verbs(connection, "INSERT"):
                insert_refused(connection, table, new, rule=rule, sqlstate=NOT_NULL_VIOLATION, verb=verb)
            for verb in verbs(connection, "UPDATE"):
                if earlier:  # another rule forbids that change before this one is asked
                    update_refused(connection, table, row, {column: None}, rule=earlier, verb=verb)
                else:
                    sqlstate = NOT_NULL_VIOLATION
                    update_refused(connection, table, row, {column: None}, rule=rule, sqlstate=sqlstate, verb=verb)


def test_a_check_that_fails_leaves_the_row_as_it_was(database: Database) -> None:
    """OR IGNORE passes over a row that a CHECK refuses, without an error: that is all it may do."""
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **key_master())
        before = stored(connection, "key_masters", key)
        change = {"security_level": "LOW"}
        for _ in settings(connection):
            for verb in verbs(connection, "UPDATE"):
                if verb != "UPDATE OR IGNORE":
                    rule = "ck_key_masters_security_level_known"
                    update_refused(connection, "key_masters", key, change, rule=rule, verb=verb)
                    continue
                statement = update_statement("key_masters", change, verb)
                execute(connection, statement, {"new_security_level": "LOW", "its_id": key["id"]})
                assert stored(connection, "key_masters", key) == before


@pytest.mark.parametrize("status", ["active", "revoked"])
def test_a_status_is_never_without_its_time(database: Database, status: str) -> None:
    """The UPDATE that sets the time, and ends a revoked key's version, inherits OR IGNORE of the statement."""
    with closing(database.connect()) as connection:
        for _ in settings(connection):
            for verb in verbs(connection, "UPDATE"):
                key = insert(connection, "key_masters", **key_master())
                version = insert(connection, "key_versions", **live_key_version(key))
                parameters = {"new_status": status, "its_id": key["id"]}
                execute(connection, update_statement("key_masters", {"status": status}, verb), parameters)
                time = "activated_at" if status == "active" else "revoked_at"
                assert is_recent(connection, value(connection, "key_masters", key, time))
                ended = value(connection, "key_versions", version, "deactivated_at")
                assert (ended is not None) is (status == "revoked")


@pytest.mark.parametrize("foreign_keys", ["OFF", "ON"])
def test_deleting_a_key_does_not_depend_on_settings(database: Database, foreign_keys: str) -> None:
    with closing(database.connect()) as connection:
        if database.dialect == "sqlite":
            connection.execute(f"PRAGMA foreign_keys = {foreign_keys}")  # type: ignore[arg-type]
        key, audited, rotated, parent, wrapping = (
            insert(connection, "key_masters", **key_master(key_type="kek")) for _ in range(5)
        )
        version = insert(connection, "key_versions", **key_version(key))
        insert(connection, "key_audit_logs", **audit_entry(key_id=audited["id"]))
        insert(connection, "key_rotations", **key_rotation(rotated))
        insert(connection, "key_masters", **key_master(parent_key_id=parent["key_id"]))
        wrapper = insert(connection, "key_versions", **key_version(wrapping))
        other = insert(connection, "key_masters", **key_master())
        insert(connection, "key_versions", **key_version(other, wrapped_by_version_id=wrapper["id"]))
        for refused_key, rule in (
            (audited, "fk_key_audit_logs_key_id_key_masters"),
            (rotated, "fk_key_rotations_key_id_key_masters"),
            (parent, "fk_key_masters_parent_key_id_key_masters"),
            (wrapping, "fk_key_versions_wrapped_by_version_id_key_versions"),
        ):
            delete_refused(connection, "key_masters", refused_key, rule=rule)
        execute(connection, "DELETE FROM key_masters WHERE id = :id", {"id": key["id"]})
        assert stored(connection, "key_versions", version) is None


REPLICA_RULES: list[tuple[str, str, Row]] = [
    ("key_masters", "enforce_key_lifecycle_consistency", {"status": "archived"}),
    ("key_masters", "protect_key_master_identity", {"algorithm": "ROT13"}),
    ("key_masters", "prevent_key_master_counter_decrease", {"usage_count": 0}),
    ("key_masters", "fk_key_masters_parent_key_id_key_masters", {"parent_key_id": "nobody"}),
    ("key_versions", "validate_key_version_chronology", {"activated_at": now() - dt.timedelta(days=99)}),
    ("key_versions", "validate_key_version_material", {"encrypted_key_data": b"\x01plaintext"}),
    ("key_versions", "validate_key_version_wrapper", {}),
    ("key_versions", "protect_key_version_identity", {"version_number": 2}),
    ("key_versions", "prevent_key_version_counter_decrease", {"usage_count": 0}),
]


@pytest.mark.parametrize(("table", "rule", "change"), REPLICA_RULES, ids=[rule for _, rule, _ in REPLICA_RULES])
def test_rules_hold_in_a_session_that_replicates(database: Database, table: str, rule: str, change: Row) -> None:
    """PostgreSQL's session_replication_role = replica disables every trigger that is not ENABLE ALWAYS."""
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **key_master(usage_count=7))
        version = insert(connection, "key_versions", **key_version(key, usage_count=7))
        if rule == "validate_key_version_wrapper":
            other = insert(connection, "key_versions", **key_version(key, version_number=2))
            change = {
                "encrypted_key_data": envelope(256),
                "wrapped_by_version_id": other["id"],
                "wrapping_key_ref": None,
            }
        if database.dialect == "postgresql":
            connection.execute("SET session_replication_role = replica")
        update_refused(connection, table, key if table == "key_masters" else version, change, rule=rule)
        delete_refused(connection, "key_versions", version, rule="prevent_key_version_delete")
