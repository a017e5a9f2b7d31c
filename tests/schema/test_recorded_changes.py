"""The entries that the database writes itself: which change writes which, and what they say."""

import datetime as dt
import time
from contextlib import closing

import pytest

from kms_schema.validator import validate
from kms_schema.vocabulary import KeyStatus, RecordedEvent
from support.engines import Database
from support.recorded_changes import CHANGES, World, change, delete, last_sequence, recorded, started
from support.rows.smallest import audit_entry, insert, key_master, key_version, now, rotation_policy
from support.shared import SharedDatabase
from support.statements import execute, refused

pytestmark = pytest.mark.versions("oldest and newest")


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_writes_the_entries_of_it(shared: SharedDatabase, what: str) -> None:
    world = World(shared.connection)
    after = last_sequence(shared.connection)
    make, expected = CHANGES[what]
    row = make(world)
    entries = recorded(shared.connection, after)
    assert [entry["event_type"] for entry in entries] == expected
    for entry in entries:
        event = RecordedEvent(entry["event_type"])
        assert (entry["event_category"], entry["security_level"]) == (event.category, event.security_level)
        assert entry["event_description"].startswith(event.lower().replace("_", " ") + ": ")
        if what != "a revoked key with a live version":
            assert str(entry["additional_metadata"]["id"]).replace("-", "") == row["id"].hex


def test_every_event_is_of_some_change() -> None:
    # By tests of their own: versions that go with a key, the roles, and the end of retention periods.
    elsewhere = {"VERSION_DELETED", "RIGHTS_CHANGED", "TRAIL_CUT"}
    elsewhere |= {f"RETENTION_POLICY_{event}" for event in ("CREATED", "CHANGED", "DELETED")}
    assert {event for _, events in CHANGES.values() for event in events} | elsewhere == set(RecordedEvent)


def test_the_statuses_of_a_key_are_events() -> None:
    statuses = {status.upper().replace("ACTIVE", "ACTIVATED") for status in KeyStatus if status != KeyStatus.PENDING}
    assert {f"KEY_{status}" for status in statuses} <= set(RecordedEvent)


def test_a_document_is_quoted_whole(shared: SharedDatabase) -> None:
    before, after = [{"a": None}], [{"b": None}, "x"]
    key = insert(shared.connection, "key_masters", **key_master(compliance_tags=before))
    since = last_sequence(shared.connection)
    change(shared.connection, "key_masters", key, compliance_tags=after)
    (entry,) = recorded(shared.connection, since)
    said = entry["additional_metadata"]
    assert (said["changed"], said["from"], said["to"]) == (
        ["compliance_tags"], {"compliance_tags": before}, {"compliance_tags": after},
    )  # fmt: skip


def test_versions_that_go_with_their_master_are_recorded(shared: SharedDatabase) -> None:
    connection = shared.connection
    key = insert(connection, "key_masters", **key_master())
    insert(connection, "key_versions", **key_version(key))
    after = last_sequence(connection)
    delete(connection, "key_masters", key)
    assert sorted(entry["event_type"] for entry in recorded(connection, after)) == ["KEY_DELETED", "VERSION_DELETED"]


def test_entries_of_creation_and_deletion_do_not_reference_the_key(shared: SharedDatabase) -> None:
    world = World(shared.connection)
    after = last_sequence(shared.connection)
    key = world.add("key_masters", key_master())
    world.add("key_versions", key_version(key))
    world.remove("key_masters", key)
    entries = recorded(shared.connection, after)
    assert [entry["key_id"] for entry in entries] == [None] * 4
    for entry in entries:
        if entry["event_type"].startswith("VERSION"):
            assert str(entry["additional_metadata"]["key_id"]).replace("-", "") == key["id"].hex


def test_a_key_with_other_entries_cannot_be_deleted(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    change(shared.connection, "key_masters", key, max_usage_count=5)
    refused(
        shared.connection,
        "DELETE FROM key_masters WHERE id = :id",
        {"id": key["id"]},
        rule="fk_key_audit_logs_key_id_key_masters",
    )


@pytest.mark.only_on("postgresql")
def test_a_restore_adds_rows_without_entries_and_changes_none_without(shared: SharedDatabase) -> None:
    connection = shared.connection
    execute(connection, "SET LOCAL kms.restore = on")
    after = last_sequence(connection)
    key = insert(connection, "key_masters", **key_master())
    assert recorded(connection, after) == []
    change(connection, "key_masters", key, max_usage_count=5)
    delete(connection, "rotation_policies", insert(connection, "rotation_policies", **rotation_policy()))
    assert [entry["event_type"] for entry in recorded(connection, after)] == ["KEY_CHANGED", "POLICY_DELETED"]


def test_a_dropped_trigger_records_nothing_and_is_reported_as_drift(database: Database) -> None:
    with closing(database.connect()) as connection:
        on_table = "" if database.dialect == "sqlite" else " ON key_masters"
        key = insert(connection, "key_masters", **key_master())
        after = last_sequence(connection)
        execute(connection, f"DROP TRIGGER audit_key_master_update{on_table}")
        change(connection, "key_masters", key, status="revoked")
        assert recorded(connection, after) == []
        found = {(each.code, each.object) for each in validate(connection).findings}
    assert ("KMS141", "trigger key_masters.audit_key_master_update") in found


@pytest.mark.only_on("sqlite")
def test_on_sqlite_a_client_can_write_such_an_entry_without_the_change(shared: SharedDatabase) -> None:
    insert(shared.connection, "key_audit_logs", **audit_entry(event_type=str(RecordedEvent.KEY_REVOKED)))


@pytest.mark.only_on("postgresql")
def test_counting_use_calls_no_function_of_the_trail(shared: SharedDatabase) -> None:
    world = World(shared.connection)

    def called_by(assignment: str) -> str:
        statement = f"EXPLAIN (ANALYZE, COSTS OFF) UPDATE key_versions SET {assignment} WHERE id = :id"  # noqa: S608
        rows = execute(shared.connection, statement, {"id": world.version["id"]}).fetchall()
        return "\n".join(row[0] for row in rows)

    assert "Trigger audit_key_version_update" in called_by("deactivated_at = clock_timestamp()")
    assert "audit_" not in called_by("usage_count = usage_count + 65536, data_volume_bytes = data_volume_bytes + 100")
    assert "Trigger audit_key_version_count_update" in called_by("usage_count = usage_count + 65537")


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("table", ["key_masters", "rotation_policies", "hsm_configurations"])
def test_nothing_is_truncated_without_an_entry(shared: SharedDatabase, table: str) -> None:
    World(shared.connection)
    refused(shared.connection, f"TRUNCATE {table} CASCADE", rule="prevent_", sqlstate="23001")
    if table == "hsm_configurations":
        refused(shared.connection, f"TRUNCATE {table}", rule="prevent_hsm_configuration_truncate", sqlstate="23001")


@pytest.mark.only_on("sqlite")
def test_on_sqlite_a_time_that_a_client_sets_to_now_is_recorded(shared: SharedDatabase) -> None:
    world = World(shared.connection)
    later = now() + dt.timedelta(days=1)
    rotation = world.set("key_rotations", started(world), status="FAILED", failed_at=later)
    after = last_sequence(shared.connection)
    time.sleep(0.01)  # of the same millisecond as the failure it would be what the database fills in
    moment = "max(strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z', started_at)"
    execute(shared.connection, f"UPDATE key_rotations SET failed_at = {moment} WHERE id = :id", {"id": rotation["id"]})  # noqa: S608
    assert [entry["event_type"] for entry in recorded(shared.connection, after)] == ["ROTATION_CHANGED"]
