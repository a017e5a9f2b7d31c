"""A database in which each metric has something to show."""

from dataclasses import dataclass
from typing import Any

from kms_schema.rotations.refresh import refresh
from support.engines.database import Connection
from support.rows import smallest
from support.rows.smallest import Row, audit_entry, insert
from support.statements import adapt, dialect_of, execute
from tests.rotations.setups import DAY, HOUR, a_key, a_policy, a_rotation


@dataclass(frozen=True)
class State:
    """The keys and the HSM that metrics name."""

    soon: Row
    expired: Row
    overdue: Row
    due: Row
    failing: Row
    near: Row
    hsm: str


def fill(connection: Connection) -> State:
    """Insert keys that expire, are due, fail and are near their limit, an HSM, and entries of high risk."""
    now = smallest.now()
    a_policy(connection, key_type="kek", rotation_interval_days=90, notify_before_rotation_hours=24 * 30)
    soon = a_key(connection, age=40 * DAY, expires_at=now + 6 * DAY)
    expired = a_key(connection, age=40 * DAY, expires_at=now - DAY, key_type="tls")
    a_key(connection, age=40 * DAY, expires_at=now + 31 * DAY)
    overdue = a_key(connection, age=100 * DAY, key_type="kek")
    due = a_key(connection, age=80 * DAY, key_type="kek")
    failing = a_key(connection)
    started = {"scheduled_at": now - 5 * HOUR, "started_at": now - 4 * HOUR}
    a_rotation(connection, failing, status="FAILED", retry_count=2, failed_at=now - HOUR, **started)
    over = a_key(connection)  # what failed before the last success is over
    a_rotation(connection, over, status="FAILED", retry_count=1, failed_at=now - 3 * HOUR, **started)
    done = {"old_version": None, "execution_time_ms": 2500, **started}
    a_rotation(connection, over, status="COMPLETED", completed_at=now - 2 * HOUR, **done)
    replaced = a_key(connection, age=HOUR / 2)  # rotated by other means after the failure
    a_rotation(connection, replaced, status="FAILED", retry_count=3, failed_at=now - HOUR, **started)
    lease = {"claimed_by": "worker-1", "lease_expires_at": now - HOUR}
    a_rotation(connection, status="RUNNING", started_at=now - HOUR, **lease)
    a_rotation(connection)
    near = a_key(connection, max_usage_count=1000)
    used = "UPDATE key_versions SET usage_count = 950 WHERE key_id = :key"
    execute(connection, used, {"key": adapt(near["id"], dialect_of(connection))})
    hsm: Any = smallest.hsm_configuration(health_status="DEGRADED", last_health_check=now, response_time_ms=250)
    insert(connection, "hsm_configurations", **hsm)
    insert(connection, "key_audit_logs", **audit_entry(security_level="CRITICAL"))
    insert(connection, "key_audit_logs", **audit_entry(security_level="LOW", risk_score=70))
    refresh(connection)
    return State(soon, expired, overdue, due, failing, near, hsm["configuration_name"])
