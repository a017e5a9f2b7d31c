"""Changes that the database writes entries of, each with the events that it has to write."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

from kms_schema.keyring.use.reserved_uses import MOST_BYTES_A_BLOCK, MOST_USES_A_BLOCK
from support.engines.database import Connection
from support.rows.smallest import (
    Row,
    active_key_master,
    envelope,
    hsm_configuration,
    insert,
    key_master,
    key_rotation,
    key_version,
    live_key_version,
    now,
    rotation_policy,
)
from support.statements import execute

ENTRIES = """SELECT sequence, event_type, event_category, event_description, security_level, user_id, recorded_by,
    key_id, additional_metadata FROM key_audit_logs WHERE sequence > :after ORDER BY sequence"""


def last_sequence(connection: Connection) -> int:
    return int(execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchone()[0])


def recorded(connection: Connection, after: int) -> list[Row]:
    """Return the entries behind the sequence `after`, their metadata read."""
    cursor = execute(connection, ENTRIES, {"after": after})
    names = [column[0] for column in cursor.description]
    entries = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for entry in entries:
        document = entry["additional_metadata"]
        entry["additional_metadata"] = json.loads(document) if isinstance(document, str) else document
    return entries


def change(connection: Connection, table: str, row: Row, **to: Any) -> Row:
    """Update one row by its id."""
    places = ", ".join(f'"{column}" = :{column}' for column in to)
    execute(connection, f"UPDATE {table} SET {places} WHERE id = :id", {**to, "id": row["id"]})  # noqa: S608
    return {**row, **to}


def delete(connection: Connection, table: str, row: Row) -> Row:
    execute(connection, f"DELETE FROM {table} WHERE id = :id", {"id": row["id"]})  # noqa: S608
    return row


class World:
    """Rows to change: one key in use with a live version, and what belongs to it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.kek = insert(connection, "key_masters", **active_key_master(key_type="kek"))
        self.pending = insert(connection, "key_masters", **key_master())
        self.key = insert(connection, "key_masters", **active_key_master())
        self.version = insert(connection, "key_versions", **live_key_version(self.key))
        self.unused = insert(connection, "key_versions", **key_version(self.key, version_number=2))
        self.policy = insert(connection, "rotation_policies", **rotation_policy())
        self.rotation = insert(connection, "key_rotations", **key_rotation(self.key))
        self.hsm = insert(connection, "hsm_configurations", **hsm_configuration())

    def set(self, table: str, row: Row, **to: Any) -> Row:
        return change(self.connection, table, row, **to)

    def add(self, table: str, row: Row) -> Row:
        return insert(self.connection, table, **row)

    def remove(self, table: str, row: Row) -> Row:
        return delete(self.connection, table, row)


def rewrapped(world: World) -> Row:
    return world.set("key_versions", world.version, encrypted_key_data=envelope(256), wrapping_key_ref="kms://other")


def destroyed(world: World) -> Row:
    return world.set("key_versions", world.unused, encrypted_key_data=None, destroyed_at=now(), wrapping_key_ref=None)


def started(world: World) -> Row:
    past = now() - dt.timedelta(minutes=1)
    return world.set("key_rotations", world.rotation, status="RUNNING", claimed_by="one", lease_expires_at=past)


def failed(world: World) -> Row:
    return world.set("key_rotations", started(world), status="FAILED", error_message="the HSM said no")


CHANGES: dict[str, tuple[Callable[[World], Row], list[str]]] = {
    "a new key": (lambda w: w.add("key_masters", key_master()), ["KEY_CREATED"]),
    "a key in use that is brought in": (
        lambda w: w.add("key_masters", active_key_master()),
        ["KEY_CREATED", "KEY_ACTIVATED"],
    ),
    "an activated key": (lambda w: w.set("key_masters", w.pending, status="active"), ["KEY_ACTIVATED"]),
    "a superseded key": (lambda w: w.set("key_masters", w.kek, status="rotated"), ["KEY_ROTATED"]),
    "an expired key": (lambda w: w.set("key_masters", w.kek, status="expired"), ["KEY_EXPIRED"]),
    "a revoked key with a live version": (
        lambda w: w.set("key_masters", w.key, status="revoked", status_reason="it leaked"),
        ["KEY_REVOKED", "VERSION_DEACTIVATED"],
    ),
    "an archived key": (
        lambda w: w.set("key_masters", w.set("key_masters", w.kek, status="rotated"), status="archived"),
        ["KEY_ROTATED", "KEY_ARCHIVED"],
    ),
    "another parent": (
        lambda w: w.set("key_masters", w.key, parent_key_id=w.kek["key_id"]),
        ["KEY_PARENT_CHANGED"],
    ),
    "a status and a parent in one": (
        lambda w: w.set("key_masters", w.pending, status="active", parent_key_id=w.kek["key_id"]),
        ["KEY_ACTIVATED", "KEY_PARENT_CHANGED"],
    ),
    "a higher limit": (lambda w: w.set("key_masters", w.key, max_usage_count=10**9), ["KEY_CHANGED"]),
    "a time that is corrected": (
        lambda w: w.set("key_masters", w.key, activated_at=now() + dt.timedelta(seconds=1)),
        ["KEY_CHANGED"],
    ),
    "a deleted key": (lambda w: w.remove("key_masters", w.pending), ["KEY_DELETED"]),
    "a new version": (
        lambda w: w.add("key_versions", key_version(w.key, version_number=3)),
        ["VERSION_CREATED"],
    ),
    "a new version that is live at once": (
        lambda w: w.add("key_versions", live_key_version(w.kek)),
        ["VERSION_CREATED", "VERSION_ACTIVATED"],
    ),
    "a version that goes live": (
        lambda w: w.set("key_versions", w.add("key_versions", key_version(w.kek)), activated_at=now()),
        ["VERSION_CREATED", "VERSION_ACTIVATED"],
    ),
    "a version that ends": (
        lambda w: w.set("key_versions", w.version, deactivated_at=now()),
        ["VERSION_DEACTIVATED"],
    ),
    "a version that goes live again": (
        lambda w: w.set("key_versions", w.set("key_versions", w.version, deactivated_at=now()), deactivated_at=None),
        ["VERSION_DEACTIVATED", "VERSION_ACTIVATED"],
    ),
    "a destroyed version": (destroyed, ["VERSION_DESTROYED"]),
    "a rewrapped version": (rewrapped, ["VERSION_REWRAPPED"]),
    "other words about the material": (
        lambda w: w.set(
            "key_versions",
            w.version,
            encryption_metadata={"format": 1, "algorithm": "AES-256-GCM", "associated_data": "another"},
        ),
        ["VERSION_CHANGED"],
    ),
    "a new policy": (lambda w: w.add("rotation_policies", rotation_policy()), ["POLICY_CREATED"]),
    "a policy that asks for less": (
        lambda w: w.set("rotation_policies", w.policy, rotation_interval_days=3650, is_active=False),
        ["POLICY_CHANGED"],
    ),
    "a deleted policy": (lambda w: w.remove("rotation_policies", w.policy), ["POLICY_DELETED"]),
    "a rotation that is asked for": (
        lambda w: w.add("key_rotations", key_rotation(w.kek)),
        ["ROTATION_SCHEDULED"],
    ),
    "a rotation that is claimed before it begins": (
        lambda w: w.set("key_rotations", w.rotation, claimed_by="somebody"),
        ["ROTATION_CHANGED"],
    ),
    "a claim that is taken back before it begins": (
        lambda w: w.set("key_rotations", w.set("key_rotations", w.rotation, claimed_by="somebody"), claimed_by=None),
        ["ROTATION_CHANGED", "ROTATION_CHANGED"],
    ),
    "a rotation that begins": (started, ["ROTATION_STARTED"]),
    "a rotation that another worker takes over": (
        lambda w: w.set("key_rotations", started(w), claimed_by="two"),
        ["ROTATION_STARTED", "ROTATION_TAKEN_OVER"],
    ),
    "a rotation that succeeds": (
        lambda w: w.set("key_rotations", started(w), status="COMPLETED"),
        ["ROTATION_STARTED", "ROTATION_COMPLETED"],
    ),
    "a rotation that fails": (failed, ["ROTATION_STARTED", "ROTATION_FAILED"]),
    "a rotation that is tried again": (
        lambda w: w.set("key_rotations", failed(w), status="SCHEDULED"),
        ["ROTATION_STARTED", "ROTATION_FAILED", "ROTATION_SCHEDULED"],
    ),
    "a rotation that fails twice": (
        lambda w: w.set(
            "key_rotations",
            w.set(
                "key_rotations",
                w.set("key_rotations", failed(w), status="SCHEDULED"),
                status="RUNNING",
                claimed_by="two",
                started_at=now() - dt.timedelta(seconds=1),
            ),
            status="FAILED",
        ),
        [
            "ROTATION_STARTED",
            "ROTATION_FAILED",
            "ROTATION_SCHEDULED",
            "ROTATION_STARTED",
            "ROTATION_FAILED",
        ],
    ),
    "a rotation whose words are changed": (
        lambda w: w.set("key_rotations", failed(w), error_message="nothing to see"),
        ["ROTATION_STARTED", "ROTATION_FAILED", "ROTATION_CHANGED"],
    ),
    "a finished rotation that is deleted": (
        lambda w: w.remove("key_rotations", w.set("key_rotations", started(w), status="COMPLETED")),
        ["ROTATION_STARTED", "ROTATION_COMPLETED", "ROTATION_DELETED"],
    ),
    "a new HSM": (
        lambda w: w.add("hsm_configurations", hsm_configuration()),
        ["HSM_CONFIGURATION_CREATED"],
    ),
    "another HSM behind the name": (
        lambda w: w.set("hsm_configurations", w.hsm, endpoint_url="https://elsewhere.example"),
        ["HSM_CONFIGURATION_CHANGED"],
    ),
    "credentials that are rewrapped": (
        lambda w: w.set(
            "hsm_configurations", w.hsm, authentication_config=envelope(512), wrapping_key_ref="kms://root-2027"
        ),
        ["HSM_CONFIGURATION_CHANGED"],
    ),
    "a deleted HSM": (lambda w: w.remove("hsm_configurations", w.hsm), ["HSM_CONFIGURATION_DELETED"]),
    "use that is counted": (lambda w: w.set("key_versions", w.version, usage_count=5, data_volume_bytes=80), []),
    "a jump of the uses": (lambda w: w.set("key_versions", w.version, usage_count=65_537), ["VERSION_COUNT_JUMPED"]),
    "a jump of the bytes": (
        lambda w: w.set("key_versions", w.version, data_volume_bytes=2**36 + 1),
        ["VERSION_COUNT_JUMPED"],
    ),
    "the greatest blocks of a key ring": (
        lambda w: w.set("key_versions", w.version, usage_count=MOST_USES_A_BLOCK, data_volume_bytes=MOST_BYTES_A_BLOCK),
        [],
    ),
    "a total that follows a jump": (lambda w: w.set("key_masters", w.key, usage_count=10**15), []),
    "a version that has been used elsewhere": (
        lambda w: w.add("key_versions", key_version(w.key, version_number=3, usage_count=10**15)),
        ["VERSION_CREATED"],
    ),
    "a health check": (
        lambda w: w.set(
            "hsm_configurations", w.hsm, health_status="OFFLINE", response_time_ms=9, last_health_check=now()
        ),
        ["HSM_HEALTH_CHANGED"],
    ),
    "a health check that finds the same": (
        lambda w: w.set("hsm_configurations", w.hsm, health_status=None, response_time_ms=9, last_health_check=now()),
        [],
    ),
    "a lease that is renewed": (
        lambda w: w.set("key_rotations", started(w), lease_expires_at=now() + dt.timedelta(hours=1)),
        ["ROTATION_STARTED"],
    ),
    "an update that changes nothing": (lambda w: w.set("key_masters", w.key, status="active"), []),
}
