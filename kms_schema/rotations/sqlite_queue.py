"""The queue on SQLite: a writer locks the file (BEGIN IMMEDIATE), so workers wait for each other."""

import datetime as dt
import json
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kms_schema.rotations.next_due import NEXT_ON_SQLITE
from kms_schema.rotations.queue import Row
from kms_schema.rotations.reasons import LISTED, LIVE, OF_POLICY, PENDING, TRIGGER_OF_REASON

_NOW = "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"
_LATER = "strftime('%Y-%m-%dT%H:%M:%f', 'now', '+' || :seconds || ' seconds') || '000Z'"
_CLAIMED = f"status = 'RUNNING' AND claimed_by = :claimed_by AND lease_expires_at > {_NOW}"
_LIVE_VERSION = f"(SELECT live.version_number FROM key_versions AS live WHERE live.key_id = {{key}} AND {LIVE})"
_OPEN_WINDOW = "(policy_id IS NULL OR policy_id NOT IN (SELECT value FROM json_each(:closed)))"

STATEMENTS = {
    "due": "SELECT * FROM rotations_due ORDER BY overdue DESC, due_at NULLS FIRST, key_id",
    "next_due": NEXT_ON_SQLITE,
    "schedule": f"""
        INSERT INTO key_rotations (key_id, policy_id, "trigger", trigger_details, scheduled_at, old_version)
        SELECT due.id, due.policy_id, {TRIGGER_OF_REASON},
            json_object(
                'reason', due.reason, 'reasons', json(due.reasons), 'policy_name', due.policy_name, 'due_at', due.due_at
            ),
            CASE WHEN due.reason IN ('time', 'age') THEN max(due.due_at, {_NOW}) ELSE {_NOW} END,
            due.live_version
        FROM rotations_due AS due
        WHERE due.reasons <> '["expiry"]' OR NOT EXISTS (
            SELECT 1 FROM key_masters AS master, rotation_policies AS policy
            WHERE master.id = due.id AND policy.id = due.policy_id
                AND master.rotated_at >= strftime(
                    '%Y-%m-%dT%H:%M:%S', substr(due.due_at, 1, 19),
                    -min(policy.notify_before_rotation_hours, 8766000) || ' hours'
                ) || substr(due.due_at, 20)
        )
        LIMIT :limit
    """,
    "forget": f"""
        UPDATE key_rotations INDEXED BY idx_key_rotations_retry_partial SET next_retry_at = NULL
        WHERE {PENDING} AND EXISTS (
            SELECT 1 FROM key_rotations AS success
            WHERE success.key_id = key_rotations.key_id AND +success.status = 'COMPLETED'
                AND success.completed_at >= key_rotations.failed_at
        )
    """,
    "retry": f"""
        UPDATE key_rotations SET status = 'SCHEDULED', next_retry_at = NULL
        WHERE id IN (
            SELECT id FROM key_rotations AS pending INDEXED BY idx_key_rotations_retry_partial
            WHERE {PENDING} AND next_retry_at <= {_NOW}
                AND NOT EXISTS (
                    SELECT 1 FROM key_rotations AS other
                    WHERE other.key_id = pending.key_id AND (
                        +other.status IN ('SCHEDULED', 'RUNNING')
                        OR (+other.status = 'FAILED'
                            AND other.next_retry_at <= strftime( -- as in rotations_due
                                '%Y-%m-%dT%H:%M:%S', substr(other.failed_at, 1, 19), '+192 hours'
                            ) || substr(other.failed_at, 20)
                            AND other.retry_count < other.max_retries
                            AND (other.failed_at, other.id) > (pending.failed_at, pending.id))
                    )
                )
                AND (SELECT master.status FROM key_masters AS master WHERE master.id = pending.key_id) = 'active'
            LIMIT :limit
        )
    """,
    "windows": f"""
        SELECT id, policy_name, rotation_window_start, rotation_window_end, timezone, {_NOW} AS now
        FROM rotation_policies WHERE rotation_window_start IS NOT NULL
    """,
    "next_expired": f"""
        SELECT id, claimed_by FROM key_rotations
        WHERE status = 'RUNNING' AND lease_expires_at <= {_NOW} AND {_OPEN_WINDOW}
        ORDER BY scheduled_at LIMIT 1
    """,
    "next_scheduled": f"""
        SELECT id, claimed_by FROM key_rotations
        WHERE status = 'SCHEDULED' AND scheduled_at <= {_NOW} AND {_OPEN_WINDOW}
        ORDER BY scheduled_at LIMIT 1
    """,
    "claim": f"""
        UPDATE key_rotations
        SET status = 'RUNNING', claimed_by = :claimed_by, lease_expires_at = {_LATER},
            old_version = coalesce(old_version, {_LIVE_VERSION.format(key="key_rotations.key_id")})
        WHERE id = :id
    """,
    "find_claim": f"""
        SELECT rotation.id, rotation."trigger" AS "trigger", rotation.trigger_details, rotation.old_version,
            rotation.new_version, rotation.status, rotation.retry_count, rotation.max_retries, rotation.next_retry_at,
            rotation.claimed_by, rotation.lease_expires_at, master.id AS key_master_id, master.key_id AS key_id,
            {_LIVE_VERSION.format(key="master.id")} AS live_version
        FROM key_rotations AS rotation JOIN key_masters AS master ON master.id = rotation.key_id
        WHERE rotation.id = :id
    """,
    "list_first": f"""
        SELECT {LISTED}
        FROM (
            SELECT * FROM key_rotations WHERE status = :status
            ORDER BY scheduled_at LIMIT :limit
        ) AS rotation
        JOIN key_masters AS master ON master.id = rotation.key_id
        LEFT JOIN rotation_policies AS policy ON policy.id = rotation.policy_id
        ORDER BY rotation.scheduled_at, rotation.id
    """,
    "list_last": f"""
        SELECT {LISTED}
        FROM (
            SELECT * FROM key_rotations WHERE status = :status
            ORDER BY scheduled_at DESC LIMIT :limit
        ) AS rotation
        JOIN key_masters AS master ON master.id = rotation.key_id
        LEFT JOIN rotation_policies AS policy ON policy.id = rotation.policy_id
        ORDER BY rotation.scheduled_at DESC, rotation.id
    """,
    "pending": f"""
        SELECT {OF_POLICY}, waiting.retried, waiting.count, waiting.earliest
        FROM (
            SELECT policy_id, scheduled_at > {_NOW} AS later, 0 AS retried, count(*) AS count,
                min(scheduled_at) AS earliest
            FROM key_rotations INDEXED BY idx_key_rotations_scheduling_covering
            WHERE status = 'SCHEDULED' AND scheduled_at > '' GROUP BY 1, 2 -- else SQLite 3.35 reads the whole index
            UNION ALL
            SELECT NULL, TRUE, 1, count(*), min(next_retry_at)
            FROM key_rotations INDEXED BY idx_key_rotations_retry_partial WHERE {PENDING} AND next_retry_at > {_NOW}
        ) AS waiting
        LEFT JOIN rotation_policies AS policy ON policy.id = waiting.policy_id
        WHERE waiting.count > 0
        ORDER BY waiting.retried, waiting.earliest, policy.policy_name
    """,
    "now": f"SELECT {_NOW} AS now",
    "renew": f"UPDATE key_rotations SET lease_expires_at = {_LATER} WHERE id = :id AND {_CLAIMED}",
    "record_version": f"UPDATE key_rotations SET new_version = :new_version WHERE id = :id AND {_CLAIMED}",
    "complete": f"""
        UPDATE key_rotations
        SET status = 'COMPLETED', new_version = coalesce(:new_version, new_version),
            affected_records = coalesce(:affected_records, affected_records),
            completed_at = max({_NOW}, started_at),
            execution_time_ms = max(CAST(round((julianday('now') - julianday(started_at)) * 86400000) AS INTEGER), 0)
        WHERE id = :id AND {_CLAIMED}
    """,
    "fail": f"""
        UPDATE key_rotations
        SET status = 'FAILED', error_message = :error, failed_at = max({_NOW}, started_at), next_retry_at = {_LATER}
        WHERE id = :id AND {_CLAIMED}
    """,
    "missing_index_bounds": f"""
        UPDATE key_versions SET usage_index_bound = NULL WHERE id IN (
            SELECT live.id FROM key_versions AS live WHERE live.key_type IS NULL AND {LIVE} LIMIT :limit
        )
    """,
    # The greatest index bound stays: the key is near its own limit.
    "high_usage_index_bounds": f"""
        UPDATE key_versions SET usage_index_bound = NULL WHERE id IN (
            SELECT live.id FROM rotation_policies AS policy CROSS JOIN key_versions AS live
            WHERE policy.is_active AND live.key_type = policy.key_type
                AND live.usage_index_bound BETWEEN policy.max_operations AND 9223372036854775806
                AND live.usage_count < policy.max_operations AND {LIVE}
            LIMIT :limit
        )
    """,
    "high_volume_index_bounds": f"""
        UPDATE key_versions SET volume_index_bound = NULL WHERE id IN (
            SELECT live.id FROM rotation_policies AS policy CROSS JOIN key_versions AS live
            WHERE policy.is_active AND live.key_type = policy.key_type
                AND live.volume_index_bound >= policy.max_data_volume_mb * 1048576
                AND live.data_volume_bytes < policy.max_data_volume_mb * 1048576 AND {LIVE}
            LIMIT :limit
        )
    """,
}
"""Statements by name."""


class SqliteStorage:
    """The rotations in a SQLite file; a `QueueStorage`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection, idle or in a transaction."""
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction that may write, or join the open one."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def rows(self, statement: str, **values: object) -> Sequence[Row]:
        """Return the rows of a query."""
        return [dict(row) for row in self._execute(statement, values)]

    def changed(self, statement: str, **values: object) -> int:
        """Return the number of rows that a statement changes."""
        return self._execute(statement, values).rowcount

    def retry(self, limit: int) -> int:
        """Plan up to `limit` failed rotations again if their time has come; clear retries of keys rotated since."""
        self.changed("forget")
        return self.changed("retry", limit=limit)

    def encode_id(self, value: uuid.UUID) -> str:
        """Return the id as 32 hexadecimal digits."""
        return value.hex

    def encode_ids(self, values: Sequence[uuid.UUID]) -> str:
        """Return the ids as a JSON array."""
        return json.dumps([each.hex for each in values])

    def decode_time(self, value: str) -> dt.datetime:
        """Return a stored time as an aware one."""
        return dt.datetime.fromisoformat(value)

    def _execute(self, statement: str, values: dict[str, object]) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(STATEMENTS[statement], values)
