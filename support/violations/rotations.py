"""Ways to break the rules of policies, rotations and the trail in a database at 004: see `by_rule.py`."""

import uuid
from typing import Any

from support.concurrency.statements import adding, changing, deleting, master
from support.engines.database import Connection
from support.rows.smallest import Row, audit_entry, insert, key_rotation, key_version, rotation_policy
from support.violations.violation import FIRST, POSTGRESQL, SECOND, SQLITE, Broken, Make, Violation


def policy(fixed: Row, says: str, **over: Any) -> Make:
    def make(connection: Connection) -> Broken:
        del connection
        row = rotation_policy(**over)
        fixing = changing("rotation_policies", row, **fixed)
        return Broken(adding("rotation_policies", row), fixing, [(row, row["policy_name"])], says)

    return make


def rotation(says: str, **over: Any) -> Make:
    def make(connection: Connection) -> Broken:
        key = master(connection)
        insert(connection, "key_versions", **key_version(key))
        row = key_rotation(key, scheduled_at=FIRST, **over)
        name = f"rotation of {key['key_id']} scheduled at 2024-01-01T00:00:00.000000Z"
        return Broken(adding("key_rotations", row), deleting("key_rotations", row), [(row, name)], says)

    return make


def rotation_of_no_key(connection: Connection) -> Broken:
    del connection
    row = key_rotation({"id": uuid.uuid4()}, scheduled_at=FIRST)
    name = "rotation scheduled at 2024-01-01T00:00:00.000000Z"
    return Broken(adding("key_rotations", row), deleting("key_rotations", row), [(row, name)], "is of the key")


def policy_is_deleted(connection: Connection) -> Broken:
    key, of = master(connection), insert(connection, "rotation_policies", **rotation_policy())
    row = insert(connection, "key_rotations", **key_rotation(key, policy_id=of["id"]))
    fixing = changing("key_rotations", row, policy_id=None)
    return Broken(deleting("rotation_policies", of), fixing, [(row, f"rotation of {key['key_id']}")], "no such policy")


def audited_key_is_deleted(connection: Connection) -> Broken:
    key = master(connection)
    insert(connection, "key_audit_logs", **audit_entry(key_id=key["id"]))
    found = connection.execute("SELECT id, sequence FROM key_audit_logs ORDER BY sequence DESC LIMIT 1").fetchone()
    assert found is not None
    entry = {"id": uuid.UUID(found[0])}
    return Broken(
        deleting("key_masters", key), adding("key_masters", key), [(entry, f"entry {found[1]}")], "is about the key"
    )


ROTATION_TIMES: dict[str, Row] = {
    "SCHEDULED and started": {"started_at": FIRST},
    "SCHEDULED and completed": {"completed_at": FIRST},
    "RUNNING and not started": {"status": "RUNNING"},
    "RUNNING and completed": {"status": "RUNNING", "started_at": FIRST, "completed_at": SECOND},
    "COMPLETED and never": {"status": "COMPLETED", "started_at": FIRST},
    "COMPLETED and not started": {"status": "COMPLETED", "completed_at": FIRST},
    "COMPLETED before it started": {"status": "COMPLETED", "started_at": SECOND, "completed_at": FIRST},
    "FAILED and never": {"status": "FAILED", "started_at": FIRST},
    "FAILED and not started": {"status": "FAILED", "failed_at": FIRST},
    "FAILED before it started": {"status": "FAILED", "started_at": SECOND, "failed_at": FIRST},
    "FAILED and completed": {
        "status": "FAILED",
        "started_at": FIRST,
        "failed_at": FIRST,
        "completed_at": SECOND,
    },
}
TIMES = "ck_key_rotations_times_agree_with_status"
POLICY = "fk_key_rotations_policy_id_rotation_policies"
ZONES = ("Mars/Olympus", "europe/berlin", "UTC+3", "utc")

VIOLATIONS_OF_ROTATIONS = [
    Violation(
        "validate_rotation_policy_triggers",
        "nothing makes a key due",
        policy({"max_operations": 1}, "has nothing that makes a key due", rotation_interval_days=None),
    ),
    *(
        Violation(
            "validate_rotation_policy_timezone",
            zone,
            policy({"timezone": "UTC"}, f"'{zone}'", timezone=zone),
            POSTGRESQL,
        )
        for zone in ZONES
    ),
    *(
        Violation(TIMES, name, rotation(f"is {name.split()[0]}, and its times", **over), SQLITE)
        for name, over in ROTATION_TIMES.items()
    ),
    Violation("fk_key_rotations_key_id_key_masters", "no such key", rotation_of_no_key, SQLITE),
    Violation(POLICY, "no such policy", rotation("no such policy", policy_id=uuid.uuid4()), SQLITE),
    Violation(POLICY, "a deleted policy", policy_is_deleted, SQLITE, healed=True),
    Violation(
        "fk_key_rotations_key_id_old_version_key_versions",
        "no such version",
        rotation("goes from version 2, which", old_version=2),
        SQLITE,
    ),
    Violation(
        "fk_key_rotations_key_id_new_version_key_versions",
        "no such version",
        rotation("goes to version 2, which", old_version=1, new_version=2),
        SQLITE,
    ),
    Violation("fk_key_audit_logs_key_id_key_masters", "a deleted key", audited_key_is_deleted, SQLITE),
]
