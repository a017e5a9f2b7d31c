"""The queue on PostgreSQL: workers pass over what others have locked (SKIP LOCKED), and nobody waits."""

import datetime as dt
import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from kms_schema.identifiers import quoted
from kms_schema.rotations.queue import RotationQueue, Row
from kms_schema.rotations.reasons import LIVE, PENDING, TRIGGER_OF_REASON

if TYPE_CHECKING:
    import psycopg

_LIVE_VERSION = (
    f"(SELECT live.version_number FROM {{schema}}.key_versions AS live WHERE live.key_id = {{key}} AND {LIVE})"
)

# clock_timestamp(), not now(): a transaction that the queue is part of may have begun long before the lease ended.
STATEMENTS = {
    "due": "SELECT * FROM {schema}.rotations_due ORDER BY overdue DESC, due_at NULLS FIRST, key_id",
    # In the order of the keys, so that two of these wait for each other in one direction only. OFFSET 0 keeps the
    # planner from looking through all keys for those that are due.
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
    # Of several failures of a key the last one; of a key that is active, and has no open rotation. An ARRAY is made
    # once: what is joined may be asked again for each row, and gives others then, as it passes over what it has locked.
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
                        OR (other.status = 'FAILED' AND other.next_retry_at IS NOT NULL
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
    "run out": """
        SELECT id, claimed_by FROM {schema}.key_rotations
        WHERE status = 'RUNNING' AND lease_expires_at <= clock_timestamp()
            AND (policy_id IS NULL OR policy_id <> ALL (%(closed)s))
        ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """,
    "planned": """
        SELECT id, claimed_by FROM {schema}.key_rotations
        WHERE status = 'SCHEDULED' AND scheduled_at <= clock_timestamp()
            AND (policy_id IS NULL OR policy_id <> ALL (%(closed)s))
        ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """,
    "take": f"""
        UPDATE {{schema}}.key_rotations AS rotation
        SET status = 'RUNNING', claimed_by = %(claimed_by)s,
            lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s),
            old_version = coalesce(old_version, {_LIVE_VERSION.format(schema="{schema}", key="rotation.key_id")})
        WHERE id = %(id)s
    """,
    "claim": f"""
        SELECT rotation.*, master.id AS key_master_id, master.key_id AS key_id,
            {_LIVE_VERSION.format(schema="{schema}", key="master.id")} AS live_version
        FROM (
            SELECT id, key_id AS of_key, trigger, trigger_details, old_version, status, retry_count, max_retries,
                next_retry_at, claimed_by, lease_expires_at
            FROM {{schema}}.key_rotations WHERE id = %(id)s
        ) AS rotation
        JOIN {{schema}}.key_masters AS master ON master.id = rotation.of_key
    """,
    "renew": """
        UPDATE {schema}.key_rotations SET lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
        WHERE id = %(id)s AND {held}
    """,
    "complete": """
        UPDATE {schema}.key_rotations
        SET status = 'COMPLETED', new_version = coalesce(%(new_version)s::integer, new_version),
            affected_records = coalesce(%(affected_records)s::bigint, affected_records),
            completed_at = greatest(clock_timestamp(), started_at),
            execution_time_ms = greatest(extract(epoch FROM clock_timestamp() - started_at) * 1000, 0)::bigint
        WHERE id = %(id)s AND {held}
    """,
    "fail": """
        UPDATE {schema}.key_rotations
        SET status = 'FAILED', error_message = %(error)s, failed_at = greatest(clock_timestamp(), started_at),
            next_retry_at = clock_timestamp() + make_interval(secs => %(seconds)s::double precision)
        WHERE id = %(id)s AND {held}
    """,
    # An end of time that planners do not know of: without it they expect as many as there are versions without
    # a ceiling that ended, and look through the table.
    "no ceiling": f"""
        UPDATE {{schema}}.key_versions SET usage_ceiling = NULL WHERE id = ANY (ARRAY(
            SELECT live.id FROM {{schema}}.key_versions AS live
            WHERE live.key_type IS NULL AND {LIVE}
                AND live.activated_at BETWEEN '-infinity' AND (SELECT 'infinity'::timestamptz)
            LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ))
    """,
    "high usage ceiling": f"""
        UPDATE {{schema}}.key_versions SET usage_ceiling = NULL WHERE id = ANY (ARRAY(
            SELECT live.id FROM {{schema}}.rotation_policies AS policy, LATERAL (
                SELECT id FROM {{schema}}.key_versions AS live
                WHERE live.key_type = policy.key_type
                    AND live.usage_ceiling BETWEEN policy.max_operations AND 9223372036854775807
                    AND live.usage_count < policy.max_operations AND {LIVE}
                LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            ) AS live
            WHERE policy.is_active LIMIT %(limit)s
        ))
    """,
    "high volume ceiling": f"""
        UPDATE {{schema}}.key_versions SET volume_ceiling = NULL WHERE id = ANY (ARRAY(
            SELECT live.id FROM (
                SELECT key_type, is_active,
                    CASE WHEN max_data_volume_mb < 8796093022208 THEN max_data_volume_mb * 1048576 END AS max_bytes
                FROM {{schema}}.rotation_policies
            ) AS policy, LATERAL (
                SELECT id FROM {{schema}}.key_versions AS live
                WHERE live.key_type = policy.key_type
                    AND live.volume_ceiling BETWEEN policy.max_bytes AND 9223372036854775807
                    AND live.data_volume_bytes < policy.max_bytes AND {LIVE}
                LIMIT %(limit)s FOR UPDATE SKIP LOCKED
            ) AS live
            WHERE policy.is_active LIMIT %(limit)s
        ))
    """,
}
"""By their names; `{schema}` stands for the schema, `{held}` for what only the claimant finds."""

_HELD = "status = 'RUNNING' AND claimed_by = %(claimed_by)s AND lease_expires_at > clock_timestamp()"

_ATTEMPTS = 5
"""How often retries are planned anew, when somebody else opened a rotation of one of the keys meanwhile."""


class PostgresqlQueue(RotationQueue):
    """The rotations in a schema, behind a psycopg connection."""

    def __init__(self, connection: "psycopg.Connection[Any]", schema: str) -> None:
        """Take a connection that is idle or in a transaction, and the schema's name."""
        self._connection, self._schema = connection, quoted(schema)

    def transaction(self) -> AbstractContextManager[object]:
        """Open a transaction, or a savepoint in the one that is open."""
        return self._connection.transaction()

    def _execute(self, statement: str, values: dict[str, object]) -> "psycopg.Cursor[dict[str, Any]]":
        from psycopg.rows import dict_row  # noqa: PLC0415  (whoever has a connection has it)

        text = STATEMENTS[statement].replace("{schema}", self._schema).replace("{held}", _HELD)
        return self._connection.cursor(row_factory=dict_row).execute(text.encode(), values or None)

    def _rows(self, statement: str, **values: object) -> Sequence[Row]:
        return self._execute(statement, values).fetchall()

    def _changed(self, statement: str, **values: object) -> int:
        return self._execute(statement, values).rowcount

    def _retry(self, limit: int) -> int:
        import psycopg  # noqa: PLC0415

        self._changed("forget")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self.transaction():
                    return self._changed("retry", limit=limit)
            except psycopg.errors.UniqueViolation:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError  # the last attempt returns or raises

    def _backfill(self, limit: int) -> int:
        done = 0
        for statement in ("no ceiling", "high usage ceiling", "high volume ceiling"):
            if done < limit:
                done += self._changed(statement, limit=limit - done)
        return done

    def _next(self, which: str, closed: Sequence[uuid.UUID]) -> Row | None:
        return next(iter(self._rows(which, closed=list(closed))), None)

    def _id(self, value: uuid.UUID) -> uuid.UUID:
        return value

    def _time(self, value: Any) -> dt.datetime:
        assert isinstance(value, dt.datetime)  # noqa: S101
        return value
