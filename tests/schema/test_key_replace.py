"""Upserts, conflict clauses and sessions that replicate: the rules of rows hold in each.

The effects of SQLite's conflict clauses depend on settings of the client (foreign_keys, recursive_triggers), so each
statement runs with all of them. `test_refusals.py` has the statements that would displace a row, and those that would
replace NULL by a default.
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
    delete_refused,
    is_recent,
    stored,
    update,
    update_refused,
    update_statement,
    value,
)

pytestmark = pytest.mark.versions("oldest and newest")

RESOLUTIONS = ("ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK")


def verbs(connection: Connection) -> list[str]:
    """Return every way to begin an UPDATE on this engine."""
    resolutions = [] if dialect_of(connection) == "postgresql" else RESOLUTIONS
    return ["UPDATE", *(f"UPDATE OR {resolution}" for resolution in resolutions)]


def settings(connection: Connection) -> Iterator[None]:
    """Go through the settings of the engine that could matter."""
    if dialect_of(connection) == "postgresql":
        yield
        return
    for foreign_keys, recursive_triggers in product(("OFF", "ON"), repeat=2):
        connection.execute(f"PRAGMA foreign_keys = {foreign_keys}")  # type: ignore[arg-type]
        connection.execute(f"PRAGMA recursive_triggers = {recursive_triggers}")  # type: ignore[arg-type]
        yield


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("table", "key"), [("key_masters", "key_id"), ("key_versions", "key_id, version_number")], ids=["key", "version"]
)
def test_an_upsert_changes_nothing_that_an_update_may_not(database: Database, table: str, key: str) -> None:
    """SQLite refuses upserts altogether (`test_refusals.py`). On PostgreSQL the rules of UPDATE apply to them."""
    with closing(database.connect()) as connection:
        old = insert(connection, "key_masters", **key_master())
        new: Row = key_master(key_id=old["key_id"])
        if table == "key_versions":
            master, old = old, insert(connection, "key_versions", **key_version(old))
            new = key_version(master)
        before = stored(connection, table, old)
        columns, places = ", ".join(new), ", ".join(f":{column}" for column in new)
        insertion = f"INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({key})"  # noqa: S608
        update = f"{insertion} DO UPDATE SET created_at = '2020-01-01T00:00:00.000000Z'"
        refused(connection, update, new, rule=f"protect_{table.removesuffix('s')}_identity")
        execute(connection, f"{insertion} DO NOTHING", new)
        assert stored(connection, table, old) == before


def test_reviving_a_version_does_not_displace_the_live_one(database: Database) -> None:
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **key_master())
        ended = insert(connection, "key_versions", **live_key_version(key))
        update(connection, "key_versions", ended, deactivated_at=now())
        live = insert(connection, "key_versions", **live_key_version(key, version_number=2))
        before = stored(connection, "key_versions", live)
        for _ in settings(connection):
            for verb in verbs(connection):
                revival = {"deactivated_at": None}
                update_refused(connection, "key_versions", ended, revival, rule="uq_key_versions_live", verb=verb)
                assert stored(connection, "key_versions", live) == before


def test_a_check_that_fails_leaves_the_row_as_it_was(database: Database) -> None:
    """OR IGNORE passes over a row that a CHECK refuses, without an error: that is all it may do."""
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **key_master())
        before = stored(connection, "key_masters", key)
        change = {"security_level": "LOW"}
        for _ in settings(connection):
            for verb in verbs(connection):
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
            for verb in verbs(connection):
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
