"""Rotations: what one may hold, whose versions it names, how many a key has open, and what outlives what.

How a rotation moves from status to status is in `test_rotation_lifecycle.py`.
"""

import datetime as dt
import secrets
from typing import Any

import psycopg
import pytest

from kms_schema.vocabulary import RotationStatus, RotationTrigger
from support.engines.database import Connection
from support.rows.smallest import (
    Row,
    in_words,
    insert,
    key_master,
    key_rotation,
    key_version,
    now,
    rotation_policy,
)
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import (
    EACH_SETTING,
    FOREIGN_KEY_VIOLATION,
    UNIQUE_VIOLATION,
    Forbidden,
    apply_settings,
    refuses,
    refuses_displacement,
    refuses_insert,
    refuses_update,
    stored,
    update,
    value_of,
)

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "key_rotations"


HOUR = dt.timedelta(hours=1)
DIGEST = "0123456789abcdef" * 4
OPEN = (RotationStatus.SCHEDULED, RotationStatus.RUNNING)

ACCEPTED: list[Row] = [
    *({"trigger": str(trigger)} for trigger in RotationTrigger),
    {"max_retries": 0},
    {"execution_time_ms": 0, "affected_records": 0},
    {"execution_time_ms": 10**12, "affected_records": 10**15, "max_retries": 1000},
    {"trigger_details": {"limit": 90}},
    {"pre_rotation_checksum": DIGEST, "post_rotation_checksum": DIGEST},
    {"claimed_by": "x" * 100, "lease_expires_at": now(), "next_retry_at": now()},
    {"rollback_available": False, "error_message": ""},
]


@pytest.fixture
def master(shared: SharedDatabase) -> Row:
    """A key with versions 1, 2 and 3."""
    made = insert(shared.connection, "key_masters", **key_master())
    for number in (1, 2, 3):
        insert(shared.connection, "key_versions", **key_version(made, version_number=number))
    return made


def completed(master: Row, **over: Any) -> Row:
    """A rotation that is over and done."""
    return key_rotation(master, **{"status": "COMPLETED", "started_at": now(), "completed_at": now() + HOUR, **over})


@pytest.mark.parametrize("change", ACCEPTED, ids=in_words)
def test_a_sound_rotation_is_accepted_on_insert_and_on_update(shared: SharedDatabase, master: Row, change: Row) -> None:
    insert(shared.connection, TABLE, **completed(master, **change))
    update(shared.connection, TABLE, insert(shared.connection, TABLE, **key_rotation(master)), **change)


@pytest.mark.parametrize("versions", [{"old_version": 2}, {"new_version": 1}, {"old_version": 1, "new_version": 3}])
def test_a_rotation_names_versions_of_its_key_the_new_one_later(
    shared: SharedDatabase, master: Row, versions: Row
) -> None:
    insert(shared.connection, TABLE, **completed(master, **versions))
    update(shared.connection, TABLE, insert(shared.connection, TABLE, **key_rotation(master)), **versions)


@pytest.mark.parametrize("first", OPEN)
@pytest.mark.parametrize("second", OPEN)
def test_a_key_has_one_open_rotation(
    shared: SharedDatabase, master: Row, first: RotationStatus, second: RotationStatus
) -> None:
    def row(status: RotationStatus) -> Row:
        return key_rotation(master, status=str(status), started_at=now() if status == "RUNNING" else None)

    connection = shared.connection
    running = insert(connection, TABLE, **row(first))
    refuses_insert(connection, TABLE, row(second), Forbidden({}, "uq_key_rotations_open", UNIQUE_VIOLATION))
    failed = insert(connection, TABLE, **key_rotation(master, status="FAILED", started_at=now(), failed_at=now()))
    retry = Forbidden({"status": "SCHEDULED"}, "uq_key_rotations_open", UNIQUE_VIOLATION)
    refuses_update(connection, TABLE, failed, retry)
    if first is RotationStatus.SCHEDULED:
        running = update(connection, TABLE, running, status="RUNNING")
    update(connection, TABLE, running, status="COMPLETED")
    update(connection, TABLE, failed, status="SCHEDULED")
    insert(connection, TABLE, **key_rotation(insert(connection, "key_masters", **key_master())))


def test_a_long_error_message_breaks_no_index(shared: SharedDatabase, master: Row) -> None:
    message = secrets.token_hex(50_000)  # not to be compressed into an index entry
    failed = {"status": "FAILED", "started_at": now(), "failed_at": now(), "error_message": message}
    inserted = insert(shared.connection, TABLE, **key_rotation(master, **failed))
    running = insert(shared.connection, TABLE, **key_rotation(master, status="RUNNING", started_at=now()))
    update(shared.connection, TABLE, running, status="FAILED", error_message="é" * 100_000)
    assert value_of(shared.connection, TABLE, inserted, "error_message") == message
    assert value_of(shared.connection, TABLE, running, "error_message") == "é" * 100_000
    found = execute(
        shared.connection,
        "SELECT count(*) FROM key_rotations WHERE status = 'FAILED' AND substr(error_message, 1, 200) = :start",
        {"start": message[:200]},
    )
    assert found.fetchone()[0] == 1


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
def test_a_key_with_rotations_cannot_be_deleted(shared: SharedDatabase, foreign_keys: str) -> None:
    connection = shared.connection
    if shared.dialect == "sqlite":
        apply_settings(connection, {"foreign_keys": foreign_keys})
    master, other = (insert(connection, "key_masters", **key_master()) for _ in range(2))
    insert(connection, "key_versions", **key_version(master))
    rotation = insert(connection, TABLE, **key_rotation(master, new_version=1))
    before = stored(connection, "key_versions")
    delete = "DELETE FROM key_masters WHERE id = :id"
    whose = {"id": master["id"]}
    refuses(connection, TABLE, delete, whose, rule="fk_key_rotations_key_id", sqlstate=_restricted(connection))
    assert stored(connection, "key_versions") == before
    execute(connection, delete, {"id": other["id"]})
    execute(connection, "DELETE FROM key_rotations WHERE id = :id", {"id": rotation["id"]})
    execute(connection, delete, {"id": master["id"]})


def _restricted(connection: Connection) -> str | None:
    """From 18 on, PostgreSQL tells a restricted deletion from a missing row."""
    if not isinstance(connection, psycopg.Connection):
        return None
    return "23001" if connection.info.server_version >= 180000 else FOREIGN_KEY_VIOLATION


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("parent", ["key_masters", "key_versions", "rotation_policies"])
def test_tables_that_rotations_reference_cannot_be_truncated(shared: SharedDatabase, master: Row, parent: str) -> None:
    policy = insert(shared.connection, "rotation_policies", **rotation_policy())
    insert(shared.connection, TABLE, **completed(master, new_version=1, policy_id=policy["id"]))
    refuses(shared.connection, TABLE, f"TRUNCATE {parent}", rule="cannot truncate a table", sqlstate="0A000")
    refuses(shared.connection, TABLE, f"TRUNCATE {parent} CASCADE", rule="prevent_")
    refuses(shared.connection, TABLE, f"TRUNCATE {TABLE}", rule="prevent_key_rotation_truncate")
    # One rule alone, as if nothing stood before it.
    for trigger in ("key_master_truncate", "rotation_policy_truncate", "key_version_delete_truncate"):
        table = {"key_m": "key_masters", "rotat": "rotation_policies", "key_v": "key_versions"}[trigger[:5]]
        execute(shared.connection, f"DROP TRIGGER prevent_{trigger} ON {table}")
    cascade = "prevent_key_rotation_truncate" if parent == "rotation_policies" else "prevent_key_"
    refuses(shared.connection, TABLE, f"TRUNCATE {parent} CASCADE", rule=cascade)


@pytest.mark.only_on("sqlite")
@EACH_SETTING
def test_no_rotation_displaces_another(shared: SharedDatabase, settings: Row) -> None:
    connection = shared.connection
    apply_settings(connection, settings)
    master = insert(connection, "key_masters", **key_master())
    first = insert(connection, TABLE, **key_rotation(master))
    refuses_displacement(connection, TABLE, completed(master), {"id": first["id"]}, rule="pk_key_rotations")
    failed = insert(connection, TABLE, **key_rotation(master, status="FAILED", started_at=now(), failed_at=now()))
    retried = {"status": "SCHEDULED", "started_at": None, "retry_count": 1}
    refuses_displacement(connection, TABLE, failed, retried, rule="uq_key_rotations_open")
