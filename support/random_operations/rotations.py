"""Random operations on policies, rotations, HSM configurations and the audit trail: see `operations.py`."""

from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from kms_schema.vocabulary import ROTATION_LIFECYCLE, KeyType, RotationStatus, RotationTrigger
from support.random_operations.operations import (
    BY_DEFAULT,
    FUTURE,
    PAST,
    TIMES,
    Operation,
    existing,
    inserting,
    numbered,
    one_of,
    seldom,
    sometimes,
    updating,
)
from support.rows.smallest import Row
from support.rows.table_dump import TableDump

WORKERS = ("worker-a", "worker-b")
TRIGGERS = ("rotation_interval_days", "max_key_age_days", "max_operations", "max_data_volume_mb")


def add_policy(data: DataObject, dump: TableDump) -> Operation:
    del dump
    number = data.draw(st.integers(0, 2))
    return inserting(
        "rotation_policies",
        id=numbered("policy", number),
        policy_name=seldom(data, f"p{number}", "p0", "", "p" * 101),
        key_type=seldom(data, "dek", *KeyType, "none"),
        rotate_on_compliance_requirement=one_of(data, BY_DEFAULT, True, False),
        timezone=seldom(data, "UTC", "Europe/Berlin", " "),
        notify_before_rotation_hours=seldom(data, BY_DEFAULT, 0),
        **_due(data),
        **_window(data),
    )


def _due(data: DataObject) -> Row:
    return {one_of(data, *TRIGGERS): seldom(data, 30, None, 0)}


def _window(data: DataObject) -> Row:
    start, end = one_of(
        data,
        (None, None),
        ("22:00", "04:00"),
        *seldom(data, (), (("24:00", "01:00"), ("22:00", None), ("1:00", "2:00"))),
    )
    return {"rotation_window_start": start, "rotation_window_end": end}


def change_policy(data: DataObject, dump: TableDump) -> Operation:
    policy = existing(data, dump["rotation_policies"], "policy")
    change = one_of(
        data,
        _due(data),
        _window(data),
        {"rotate_on_compliance_requirement": data.draw(st.booleans())},
        dict.fromkeys(TRIGGERS),
        {"is_active": data.draw(st.booleans())},
        {"policy_name": one_of(data, "p0", "p1", "other")},
        {"id": numbered("policy", 1)},
        {"created_at": PAST[0]},
    )
    return updating("rotation_policies", policy, **change)


def delete_policy(data: DataObject, dump: TableDump) -> Operation:
    return Operation("DELETE", "rotation_policies", {}, (existing(data, dump["rotation_policies"], "policy")["id"],))


def add_rotation(data: DataObject, dump: TableDump) -> Operation:
    key = existing(data, dump["key_masters"], "key")
    status = seldom(data, "SCHEDULED", *RotationStatus, "LOST")
    times = {
        "RUNNING": {"started_at": PAST[1]},
        "COMPLETED": {"started_at": PAST[1], "completed_at": one_of(data, PAST[2], PAST[0])},
        "FAILED": {"started_at": PAST[1], "failed_at": PAST[2]},
    }.get(status, {})
    return inserting(
        "key_rotations",
        id=numbered("rotation", data.draw(st.integers(0, 5))),
        key_id=key["id"],
        policy_id=seldom(data, None, *[policy["id"] for policy in dump["rotation_policies"]], numbered("policy", 9)),
        trigger=seldom(data, "manual", *RotationTrigger, "whim"),
        status=status,
        old_version=seldom(data, None, 1, 2),
        new_version=seldom(data, None, 1, 2),
        retry_count=seldom(data, BY_DEFAULT, 1, 4),
        max_retries=seldom(data, BY_DEFAULT, 0, 1),
        claimed_by=seldom(data, None, "worker-a", " "),
        lease_expires_at=one_of(data, None, PAST[2], FUTURE[0]),
        **seldom(data, times, {}, {"started_at": PAST[1]}),
    )


def move_rotation(data: DataObject, dump: TableDump) -> Operation:
    """Draw a change of status, with or without a claim and times."""
    rotation = existing(data, dump["key_rotations"], "rotation")
    following = ROTATION_LIFECYCLE[RotationStatus(rotation.get("status", "SCHEDULED"))]
    return updating(
        "key_rotations",
        rotation,
        status=sometimes(data, one_of(data, *following or RotationStatus), *RotationStatus),
        claimed_by=one_of(data, BY_DEFAULT, rotation.get("claimed_by"), *WORKERS, None),
        lease_expires_at=one_of(data, BY_DEFAULT, PAST[2], FUTURE[0]),
        started_at=seldom(data, BY_DEFAULT, *TIMES, None),
        completed_at=seldom(data, BY_DEFAULT, *TIMES, None),
        failed_at=seldom(data, BY_DEFAULT, *TIMES, None),
        retry_count=seldom(data, BY_DEFAULT, rotation.get("retry_count", 0) + 1, 0),
    )


def change_rotation(data: DataObject, dump: TableDump) -> Operation:
    rotation = existing(data, dump["key_rotations"], "rotation")
    change = one_of(
        data,
        {"claimed_by": one_of(data, *WORKERS, None), "lease_expires_at": one_of(data, PAST[2], FUTURE[0])},
        {"lease_expires_at": one_of(data, *TIMES, None)},
        {"retry_count": data.draw(st.integers(-1, 4))},
        {"max_retries": data.draw(st.integers(0, 3))},
        {"old_version": data.draw(st.integers(1, 3))},
        {"new_version": data.draw(st.integers(1, 3))},
        {"policy_id": existing(data, dump["rotation_policies"], "policy")["id"]},
        {"key_id": existing(data, dump["key_masters"], "key")["id"]},
        {one_of(data, "started_at", "completed_at", "failed_at"): one_of(data, *TIMES, None)},
        {"error_message": one_of(data, "broken", None)},
    )
    return updating("key_rotations", rotation, **change)


def delete_rotation(data: DataObject, dump: TableDump) -> Operation:
    return Operation("DELETE", "key_rotations", {}, (existing(data, dump["key_rotations"], "rotation")["id"],))


def add_hsm_configuration(data: DataObject, dump: TableDump) -> Operation:
    del dump
    number = data.draw(st.integers(0, 4))
    return inserting(
        "hsm_configurations",
        id=numbered("hsm", number),
        provider=seldom(data, "utimaco", "unknown"),
        configuration_name=seldom(data, f"h{number}", "h0", ""),
        authentication_config=_secret(data),
        response_time_ms=seldom(data, None, 5, -1),
    )


def _secret(data: DataObject) -> bytes | None:
    secret: bytes | None = one_of(
        data, None, b"\x01" * 30, b"\x01" * 29, b'{"password": "in the clear, for all to read"}'
    )
    return secret


def change_hsm_configuration(data: DataObject, dump: TableDump) -> Operation:
    row = existing(data, dump["hsm_configurations"], "hsm")
    change = one_of(
        data,
        {"authentication_config": _secret(data)},
        {"health_status": one_of(data, "HEALTHY", "WELL", None)},
        {"configuration_name": one_of(data, "h0", "h1")},
        {"created_at": PAST[0]},
    )
    return updating("hsm_configurations", row, **change)


def delete_hsm_configuration(data: DataObject, dump: TableDump) -> Operation:
    return Operation("DELETE", "hsm_configurations", {}, (existing(data, dump["hsm_configurations"], "hsm")["id"],))


def append_audit_entry(data: DataObject, dump: TableDump) -> Operation:
    key = existing(data, dump["key_masters"], "key")
    forged = {"id": numbered("entry", 0)}, {"sequence": 99}, {"timestamp": PAST[0]}, {"recorded_by": "somebody"}
    return inserting(
        "key_audit_logs",
        key_id=seldom(data, None, key["id"]),
        event_type=seldom(data, "TEST", " "),
        event_category=seldom(data, "SECURITY", "GOSSIP"),
        event_description="something happened",
        security_level=seldom(data, BY_DEFAULT, "CRITICAL", "SOME"),
        risk_score=seldom(data, None, 100, 101, -1),
        retention_period_days=seldom(data, BY_DEFAULT, 0, 36500, 36501),
        **seldom(data, {}, *forged),
    )


def change_audit_entry(data: DataObject, dump: TableDump) -> Operation:
    """Draw a change of entries, known by their type: ids are each database's own, and so are gaps in the sequence."""
    event_type = one_of(data, *sorted({entry["event_type"] for entry in dump["key_audit_logs"]}))
    if data.draw(st.booleans()):
        return Operation("DELETE", "key_audit_logs", {}, (event_type,), "event_type")
    change = one_of(data, {"risk_score": 0}, {"key_id": None}, {"sequence": 1}, {"recorded_by": "somebody"})
    return Operation("UPDATE", "key_audit_logs", change, (event_type,), "event_type")
