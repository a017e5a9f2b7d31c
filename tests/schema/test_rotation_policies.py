"""Rotation policies: something makes a key due, numbers and windows mean something, and history outlives them."""

from typing import Any

import pytest

from kms_schema.vocabulary import KeyType
from support.rows.smallest import Row, insert, key_master, key_rotation, rotation_policy
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import (
    Forbidden,
    apply_settings,
    refuses,
    refuses_insert,
    refuses_update,
    stored,
    update,
    value_of,
)

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "rotation_policies"
LIMITS = ("rotation_interval_days", "max_key_age_days", "max_operations", "max_data_volume_mb")
NUMBERS = (*LIMITS, "notify_before_rotation_hours")
NO_TRIGGER = {**dict.fromkeys(LIMITS), "rotate_on_compliance_requirement": False}
TRIGGERS: list[Row] = [*({limit: 1} for limit in LIMITS), {"rotate_on_compliance_requirement": True}]


def window(start: Any, end: Any) -> Row:
    return {"rotation_window_start": start, "rotation_window_end": end}


ACCEPTED: list[Row] = [
    *({"key_type": str(key_type)} for key_type in KeyType),
    *({number: 1} for number in NUMBERS),
    {"max_operations": 10**15, "max_data_volume_mb": 2**33, "rotation_interval_days": 2**31 - 1},
    *({**NO_TRIGGER, **trigger} for trigger in TRIGGERS),
    window("00:00", "23:59"),
    window("22:00", "04:00"),
    window("09:30", "09:30"),
    {"notification_channels": ["mail", "pager"]},
    {"notification_channels": []},
    {"notification_channels": {"mail": ["ops@example.com"], "pager": True}},
    {"notification_channels": {}},
    {"timezone": "Europe/Berlin"},
    {"timezone": "Etc/GMT+3"},
    {"policy_name": "ü" * 100, "created_by": "x" * 100},
    {"is_active": False, "rotate_on_security_incident": False},
]


@pytest.mark.parametrize("change", ACCEPTED, ids=str)
def test_a_sound_policy_is_accepted_on_insert_and_on_update(shared: SharedDatabase, change: Row) -> None:
    insert(shared.connection, TABLE, **{**rotation_policy(), **change})
    execute(shared.connection, f"DELETE FROM {TABLE}")  # noqa: S608  (its name may be in the change)
    row = insert(shared.connection, TABLE, **rotation_policy())
    update(shared.connection, TABLE, row, **change)


@pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
def test_the_last_trigger_of_a_policy_cannot_be_removed(shared: SharedDatabase, trigger: Row) -> None:
    row = insert(shared.connection, TABLE, **{**rotation_policy(), **NO_TRIGGER, **trigger})
    (column,) = trigger
    last = Forbidden({column: NO_TRIGGER[column]}, "validate_rotation_policy_triggers")
    refuses_update(shared.connection, TABLE, row, last)
    update(shared.connection, TABLE, row, max_key_age_days=30)
    if column != "max_key_age_days":
        update(shared.connection, TABLE, row, **last.change)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("zone", ["Mars/Olympus", "CEST+2", "+02:00"])
def test_a_policy_in_an_unknown_time_zone_is_refused(shared: SharedDatabase, zone: str) -> None:
    unknown = Forbidden({"timezone": zone}, "validate_rotation_policy_timezone")
    refuses_insert(shared.connection, TABLE, rotation_policy(), unknown)
    row = insert(shared.connection, TABLE, **rotation_policy())
    refuses_update(shared.connection, TABLE, row, unknown)


@pytest.mark.only_on("sqlite")
def test_any_time_zone_is_accepted_where_no_zones_are_known(shared: SharedDatabase) -> None:
    insert(shared.connection, TABLE, **rotation_policy(timezone="Mars/Olympus"))


def test_missing_values_get_defaults(shared: SharedDatabase) -> None:
    execute(
        shared.connection,
        f"INSERT INTO {TABLE} (policy_name, key_type, max_operations) VALUES ('plain', 'tls', 5)",  # noqa: S608
    )
    found = execute(
        shared.connection,
        "SELECT rotate_on_security_incident, rotate_on_compliance_requirement, timezone,"  # noqa: S608
        f" notify_before_rotation_hours, is_active, created_at = updated_at FROM {TABLE}",
    ).fetchone()
    assert tuple(found) == (True, False, "UTC", 24, True, True)


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
def test_a_deleted_policy_leaves_its_rotations(shared: SharedDatabase, foreign_keys: str) -> None:
    connection = shared.connection
    if shared.dialect == "sqlite":
        apply_settings(connection, {"foreign_keys": foreign_keys})
    policy, other = (insert(connection, TABLE, **rotation_policy()) for _ in range(2))
    master = insert(connection, "key_masters", **key_master())
    rotation = insert(connection, "key_rotations", **key_rotation(master, policy_id=policy["id"]))
    kept = insert(
        connection,
        "key_rotations",
        **key_rotation(insert(connection, "key_masters", **key_master()), policy_id=other["id"]),
    )
    execute(connection, f"DELETE FROM {TABLE} WHERE id = :id", {"id": policy["id"]})  # noqa: S608
    assert value_of(connection, "key_rotations", rotation, "policy_id") is None
    assert value_of(connection, "key_rotations", kept, "policy_id") is not None
    assert len(stored(connection, TABLE)) == 1


@pytest.mark.only_on("postgresql")
def test_an_upsert_works_and_keeps_the_rules(shared: SharedDatabase) -> None:
    row = insert(shared.connection, TABLE, **rotation_policy())
    upsert = (
        f"INSERT INTO {TABLE} (policy_name, key_type, max_operations) VALUES (:name, 'dek', 1)"  # noqa: S608
        " ON CONFLICT (policy_name) DO UPDATE SET rotation_interval_days = {value}"
    )
    named = {"name": row["policy_name"]}
    refuses(shared.connection, TABLE, upsert.format(value="NULL"), named, rule="validate_rotation_policy_triggers")
    execute(shared.connection, upsert.format(value="7"), named)
    assert value_of(shared.connection, TABLE, row, "rotation_interval_days") == 7
