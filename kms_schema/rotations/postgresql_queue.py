"""The queue on PostgreSQL: workers skip rows that others have locked (SKIP LOCKED), so none waits."""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, tuple_row

from kms_schema.database.lock_holders import durable
from kms_schema.rotations.next_due import NEXT_ON_POSTGRESQL
from kms_schema.rotations.queue import Row
from kms_schema.rotations.reasons import LISTED, LIVE, OF_POLICY, PENDING, TRIGGER_OF_REASON
from kms_schema.text.identifiers import SEARCH_PATH, quoted

_LIVE_VERSION = (
    f"(SELECT live.version_number FROM {{schema}}.key_versions AS live WHERE live.key_id = {{key}} AND {LIVE})"
)

# clock_timestamp() instead of now(): the surrounding transaction may have begun long before the lease expired.
STATEMENTS = {
    "due": "SELECT * FROM {schema}.rotations_due ORDER BY overdue DESC, due_at NULLS FIRST, key_id",
    "next_due": NEXT_ON_POSTGRESQL,
    # Ordered by key, so that two sessions cannot deadlock. OFFSET 0 prevents the planner from scanning all keys.
    "schedule": f"""
        INSERT INTO {{schema}}.key_rotations AS rotation
            (key_id, policy_id, trigger, trigger_details, scheduled_at, old_version)
        SELECT due.id, due.policy_id, {TRIGGER_OF_REASON},
            jsonb_build_object(
                'reason', due.reason, 'reasons', due.reasons, 'policy_name', due.policy_name, 'due_at', due.due_at
            ),
            CASE WHEN due.reason IN ('time', 'age') THEN greatest(due.due_at, now()) ELSE now() END,
            due.live_version
        FROM {{schema}}.rotations_due AS due
        WHERE due.reasons <> '["expiry"]'::jsonb OR NOT EXISTS (
            SELECT 1 FROM {{schema}}.key_masters AS master, {{schema}}.rotation_policies AS policy
            WHERE master.id = due.id AND policy.id = due.policy_id
                AND master.rotated_at >= due.due_at
                    - make_interval(hours => least(policy.notify_before_rotation_hours, 8766000))
            OFFSET 0
        )
        ORDER BY due.id
        LIMIT %(limit)s
        ON CONFLICT (key_id) WHERE status IN ('SCHEDULED', 'RUNNING') DO NOTHING
    """,
    "forget": f"""
        UPDATE {{schema}}.key_rotations AS rotation SET next_retry_at = NULL
        WHERE {PENDING} AND EXISTS (
            SELECT 1 FROM {{schema}}.key_rotations AS success
            WHERE success.key_id = rotation.key_id AND success.status = 'COMPLETED'
                AND success.completed_at >= rotation.failed_at
            OFFSET 0
        )
    """,
    # The last of several failures of a key that is active and has no open rotation. A later failure whose retry is not
    # pending, as in rotations_due, does not prevent it. An ARRAY is evaluated once; a
    # joined subquery could be evaluated for each row and, with SKIP LOCKED, return other rows each time.
    "retry": f"""
        UPDATE {{schema}}.key_rotations AS rotation
        SET status = 'SCHEDULED', next_retry_at = NULL
        WHERE id = ANY (ARRAY(
            SELECT id FROM {{schema}}.key_rotations AS pending
            WHERE {PENDING} AND next_retry_at <= now()
                AND NOT EXISTS (
                    SELECT 1 FROM {{schema}}.key_rotations AS other
                    WHERE other.key_id = pending.key_id AND (
                        other.status IN ('SCHEDULED', 'RUNNING')
                        OR (other.status = 'FAILED'
                            AND other.next_retry_at <= other.failed_at + make_interval(hours => 192)
                            AND other.retry_count < other.max_retries
                            AND (other.failed_at, other.id) > (pending.failed_at, pending.id))
                    )
                    OFFSET 0
                )
                AND EXISTS (
                    SELECT 1 FROM {{schema}}.key_masters AS master
                    WHERE master.id = pending.key_id AND master.status = 'active'
                    OFFSET 0
                )
            ORDER BY pending.key_id
            LIMIT %(limit)s
            FOR UPDATE SKIP LOCKED
        ))
    """,
    "windows": """
        SELECT id, policy_name, rotation_window_start, rotation_window_end, timezone, clock_timestamp() AS now
        FROM {schema}.rotation_policies WHERE rotation_window_start IS NOT NULL
    """,
    "next_expired": """
        SELECT id, claimed_by FROM {schema}.key_rotations
        WHERE status = 'RUNNING' AND lease_expires_at <= clock_timestamp()
            AND (policy_id IS NULL OR policy_id <> ALL (%(closed)s))
        ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """,
    "next_scheduled": """
        SELECT id, claimed_by FROM {schema}.key_rotations
        WHERE status = 'SCHEDULED' AND scheduled_at <= clock_timestamp()
            AND (policy_id IS NULL OR policy_id <> ALL (%(closed)s))
        ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """,
    "claim": f"""
        UPDATE {{schema}}.key_rotations AS rotation
        SET status = 'RUNNING', claimed_by = %(claimed_by)s,
            lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s),
            old_version = coalesce(old_version, {_LIVE_VERSION.format(schema="{schema}", key="rotation.key_id")})
        WHERE id = %(id)s
    """,
    "find_claim": f"""
        SELECT rotation.*, master.id AS key_master_id, master.key_id AS key_id,
            {_LIVE_VERSION.format(schema="{schema}", key="master.id")} AS live_version
        FROM (
            SELECT id, key_id AS of_key, trigger, trigger_details, old_version, new_version, status, retry_count,
                max_retries, next_retry_at, claimed_by, lease_expires_at
            FROM {{schema}}.key_rotations WHERE id = %(id)s
        ) AS rotation
        JOIN {{schema}}.key_masters AS master ON master.id = rotation.of_key
    """,
    "list_first": f"""
        SELECT {LISTED}
        FROM (
            SELECT * FROM {{schema}}.key_rotations WHERE status = %(status)s
            ORDER BY scheduled_at LIMIT %(limit)s
        ) AS rotation
        CROSS JOIN LATERAL (
            SELECT key_id FROM {{schema}}.key_masters WHERE id = rotation.key_id OFFSET 0
        ) AS master
        LEFT JOIN {{schema}}.rotation_policies AS policy ON policy.id = rotation.policy_id
        ORDER BY rotation.scheduled_at, rotation.id
    """,
    "list_last": f"""
        SELECT {LISTED}
        FROM (
            SELECT * FROM {{schema}}.key_rotations WHERE status = %(status)s
            ORDER BY scheduled_at DESC LIMIT %(limit)s
        ) AS rotation
        CROSS JOIN LATERAL (
            SELECT key_id FROM {{schema}}.key_masters WHERE id = rotation.key_id OFFSET 0
        ) AS master
        LEFT JOIN {{schema}}.rotation_policies AS policy ON policy.id = rotation.policy_id
        ORDER BY rotation.scheduled_at DESC, rotation.id
    """,
    "pending": f"""
        SELECT {OF_POLICY}, waiting.retried, waiting.count, waiting.earliest
        FROM (
            SELECT policy_id, scheduled_at > clock_timestamp() AS later, 0 AS retried, count(*) AS count,
                min(scheduled_at) AS earliest
            FROM {{schema}}.key_rotations WHERE status = 'SCHEDULED' GROUP BY 1, 2
            UNION ALL
            SELECT NULL, TRUE, 1, count(*), min(next_retry_at)
            FROM {{schema}}.key_rotations WHERE {PENDING} AND next_retry_at > clock_timestamp()
        ) AS waiting
        LEFT JOIN {{schema}}.rotation_policies AS policy ON policy.id = waiting.policy_id
        WHERE waiting.count > 0
        ORDER BY waiting.retried, waiting.earliest, policy.policy_name
    """,
    "now": "SELECT clock_timestamp() AS now",
    "renew": """
        UPDATE {schema}.key_rotations SET lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
        WHERE id = %(id)s AND {claimed}
    """,
    "record_version": """
        UPDATE {schema}.key_rotations SET new_version = %(new_version)s WHERE id = %(id)s AND {claimed}
    """,
    "complete": """
        UPDATE {schema}.key_rotations
        SET status = 'COMPLETED', new_version = coalesce(%(new_version)s::integer, new_version),
            affected_records = coalesce(%(affected_records)s::bigint, affected_records),
            completed_at = greatest(clock_timestamp(), started_at),
            execution_time_ms = greatest(extract(epoch FROM clock_timestamp() - started_at) * 1000, 0)::bigint
        WHERE id = %(id)s AND {claimed}
    """,
    "fail": """
        UPDATE {schema}.key_rotations
        SET status = 'FAILED', error_message = %(error)s, failed_at = greatest(clock_timestamp(), started_at),
            next_retry_at = clock_timestamp() + make_interval(secs => %(seconds)s::double precision)
        WHERE id = %(id)s AND {claimed}
    """,
    # An upper bound of unknown value: without it planners would estimate as many rows as there are deactivated versions
    # without an index bound, and scan the table.
    "missing_index_bounds": f"""
        UPDATE {{schema}}.key_versions SET usage_index_bound = NULL WHERE id = ANY (ARRAY(
            SELECT live.id FROM {{schema}}.key_versions AS live
            WHERE live.key_type IS NULL AND {LIVE}
                AND live.activated_at BETWEEN '-infinity' AND (SELECT 'infinity'::timestamptz)
            LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ))
    """,
    # The greatest index bound stays: the key is near its own limit.
    "high_usage_index_bounds": f"""
        UPDATE {{schema}}.key_versions SET usage_index_bound = NULL WHERE id = ANY (ARRAY(
            SELECT live.id FROM {{schema}}.rotation_policies AS policy, LATERAL (
                SELECT id FROM {{schema}}.key_versions AS live
                WHERE live.key_type = policy.key_type
                    AND live.usage_index_bound BETWEEN policy.max_operations AND 9223372036854775806
                    AND live.usage_count < policy.max_operations AND {LIVE}
                LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            ) AS live
            WHERE policy.is_active LIMIT %(limit)s
        ))
    """,
    "high_volume_index_bounds": f"""
        UPDATE {{schema}}.key_versions SET volume_index_bound = NULL WHERE id = ANY (ARRAY(
            SELECT live.id FROM (
                SELECT key_type, is_active, max_data_volume_mb * 1048576 AS max_bytes
                FROM {{schema}}.rotation_policies
            ) AS policy, LATERAL (
                SELECT id FROM {{schema}}.key_versions AS live
                WHERE live.key_type = policy.key_type
                    AND live.volume_index_bound BETWEEN policy.max_bytes AND 9223372036854775807
                    AND live.data_volume_bytes < policy.max_bytes AND {LIVE}
                LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            ) AS live
            WHERE policy.is_active LIMIT %(limit)s
        ))
    """,
}
"""Statements by name; `{schema}` stands for the schema, `{claimed}` for the condition of a valid lease."""

_PIN = (
    f"SELECT pg_catalog.current_setting('search_path'), pg_catalog.set_config('search_path', %s, true), ({durable()})"
).encode()
_CLAIMED = "status = 'RUNNING' AND claimed_by = %(claimed_by)s AND lease_expires_at > clock_timestamp()"

_ATTEMPTS = 5
"""Attempts to plan retries, if another session opens a rotation of one of the keys at the same time."""


class PostgresqlStorage:
    """The rotations in a schema of PostgreSQL; a `QueueStorage`."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str, lock_wait: float | None = None) -> None:
        """Take a connection, idle or in a transaction, the name of the schema, and the seconds to wait for a lock."""
        self._connection, self._schema, self._lock_wait = connection, quoted(schema), lock_wait

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction, or a savepoint in the open one, whose search path is not that of the caller."""
        is_inner = self._connection.info.transaction_status != TransactionStatus.IDLE
        with self._connection.transaction(), self._connection.cursor(row_factory=tuple_row) as cursor:
            if self._lock_wait is not None:
                cursor.execute(f"SET LOCAL lock_timeout = {max(round(self._lock_wait * 1000), 1)}".encode())
            before = cursor.execute(_PIN, (SEARCH_PATH,)).fetchone()
            yield
            if is_inner and before:  # an error restores it as well: it ends the savepoint
                cursor.execute(_PIN, before[:1])

    def rows(self, statement: str, **values: object) -> Sequence[Row]:
        """Return the rows of a query."""
        return self._execute(statement, values).fetchall()

    def changed(self, statement: str, **values: object) -> int:
        """Return the number of rows that a statement changes."""
        return self._execute(statement, values).rowcount

    def retry(self, limit: int) -> int:
        """Plan up to `limit` failed rotations again if their time has come; clear retries of keys rotated since."""
        self.changed("forget")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.transaction():
                    return self.changed("retry", limit=limit)
            except psycopg.errors.UniqueViolation:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError  # the last attempt returns or raises

    def encode_id(self, value: uuid.UUID) -> uuid.UUID:
        """Return the id: psycopg adapts it."""
        return value

    def encode_ids(self, values: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        """Return the ids as a list, which psycopg adapts to an array."""
        return list(values)

    def decode_time(self, value: dt.datetime) -> dt.datetime:
        """Return the time: psycopg gives an aware one."""
        return value

    def _execute(self, statement: str, values: dict[str, object]) -> psycopg.Cursor[dict[str, Any]]:
        text = STATEMENTS[statement].replace("{schema}", self._schema).replace("{claimed}", _CLAIMED)
        return self._connection.cursor(row_factory=dict_row).execute(text.encode(), values or None)
