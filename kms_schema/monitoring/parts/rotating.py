"""Keys that are due for rotation, and rotations that run or fail."""

import datetime as dt
import re

from kms_schema.monitoring.names import OPEN_DAYS, REASONS
from kms_schema.monitoring.parts.single_keys import Found
from kms_schema.monitoring.reader import Reader, seconds
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.vocabulary import KeyType, RotationStatus

_DUE = """SELECT id, key_id, key_type, CASE WHEN overdue THEN 'overdue ' ELSE 'due ' END || reason AS about,
    due_at AS measure, overdue AS shown
FROM {s}.rotations_due"""


# As in rotations_due: a pending retry, until another rotation of the key has succeeded.
_PENDING = """pending.status = 'FAILED' AND pending.next_retry_at IS NOT NULL
            AND pending.retry_count < pending.max_retries
            AND NOT EXISTS (
                SELECT 1 FROM {s}.key_rotations AS success
                WHERE success.key_id = pending.key_id AND success.status || '' = 'COMPLETED'
                    AND success.completed_at >= pending.failed_at
            )"""
# rotations_due leaves out keys with an open rotation or a pending retry, however long ago the limit was and whatever
# is planned. By the tightest limits of all policies of the type. When a counter passed its limit is not recorded: then
# the plan decides. An expired key is not rotated, and causes that are not sealed are not a day old. The keys are looked
# up one by one, by subqueries: planners take the rotations for many, and would read all keys.
_STILL_OPEN = f"""SELECT key_master_id AS id,
    (SELECT named.key_id FROM {{s}}.key_masters AS named WHERE named.id = key_master_id) AS key_id,
    (SELECT named.key_type FROM {{s}}.key_masters AS named WHERE named.id = key_master_id) AS key_type,
    'overdue ' || reason AS about, planned_at AS measure, 1 = 1 AS shown
FROM (
    WITH limits AS MATERIALIZED (
        SELECT key_type, min(max_operations) AS most_operations, min(max_data_volume_mb) * 1048576 AS most_bytes,
            max(CASE WHEN rotate_on_security_incident THEN 1 ELSE 0 END) AS on_incident,
            max(CASE WHEN rotate_on_compliance_requirement THEN 1 ELSE 0 END) AS on_requirement,
            {{before min(CASE WHEN rotation_interval_days < 700000 THEN rotation_interval_days END)}} AS rotated_by,
            {{before min(CASE WHEN max_key_age_days < 700000 THEN max_key_age_days END)}} AS activated_by
        FROM {{s}}.rotation_policies WHERE is_active GROUP BY key_type
    )
    SELECT planned.key_id AS key_master_id, planned.planned_at, (
        SELECT CASE
            WHEN limits.on_incident = 1 AND {{caused by incident}} THEN 'incident'
            WHEN limits.on_requirement = 1 AND {{caused by compliance}} THEN 'compliance'
            WHEN planned.soon = 0 AND live.data_volume_bytes >= limits.most_bytes THEN 'volume'
            WHEN planned.soon = 0 AND (
                live.usage_count >= limits.most_operations
                OR live.usage_count >= master.max_usage_count
                OR master.algorithm = 'AES-256-GCM' AND live.usage_count >= 2147483648
                OR live.usage_count >= 1000000000000000
            ) THEN 'usage'
            WHEN live.activated_at <= limits.activated_by THEN 'age'
            WHEN coalesce(master.rotated_at, master.activated_at) <= limits.rotated_by THEN 'time'
        END
        FROM {{s}}.key_masters AS master
        LEFT JOIN {{s}}.key_versions AS live
            ON live.key_id = master.id AND live.activated_at IS NOT NULL AND live.deactivated_at IS NULL
        LEFT JOIN limits ON limits.key_type = master.key_type
        WHERE master.id = planned.key_id AND master.status || '' = 'active'
    ) AS reason
    FROM (
        SELECT key_id, min(planned_at) AS planned_at,
            max(CASE WHEN planned_at BETWEEN %(passed)s AND %(soon)s THEN 1 ELSE 0 END) AS soon
        FROM (
            SELECT key_id, scheduled_at AS planned_at FROM {{s}}.key_rotations WHERE status = 'SCHEDULED'
            UNION ALL
            SELECT key_id, started_at FROM {{s}}.key_rotations WHERE status = 'RUNNING'
            UNION ALL
            SELECT pending.key_id, pending.next_retry_at FROM {{s}}.key_rotations AS pending
            WHERE pending.next_retry_at <= {{eight days after failure}} AND {_PENDING}
        ) AS rotation
        GROUP BY key_id
    ) AS planned
) AS late
WHERE reason IS NOT NULL"""
_CAUSED = r"""EXISTS (
            SELECT 1 FROM {s}.key_rotation_causes AS cause
            WHERE cause.key_id = master.id AND cause.reason = '\1' AND cause.occurred_at <= %(passed)s
                AND (master.rotated_at IS NULL OR cause.occurred_at > master.rotated_at)
        )"""
_BEFORE = r"%(passed)s - make_interval(hours => 24 * \1)"
_BEFORE_ON_SQLITE = (
    r"strftime('%Y-%m-%dT%H:%M:%S', substr(%(passed)s, 1, 19), (-24 * \1) || ' hours') || substr(%(passed)s, 20)"
)

_RETRIED_BY = "pending.failed_at + make_interval(hours => 192)"
_RETRIED_BY_ON_SQLITE = (
    "strftime('%Y-%m-%dT%H:%M:%S', substr(pending.failed_at, 1, 19), '+192 hours') || substr(pending.failed_at, 20)"
)
"""As in rotations_due, which has the key of a retry that is put off for longer."""


def due(reader: Reader) -> Read:
    """Count the keys in rotations_due by type and reason, and list those whose limit is passed.

    Keys whose limit is passed for a day are overdue although a rotation is open.
    """
    day = dt.timedelta(days=OPEN_DAYS)
    found = Found(
        reader,
        f"{_DUE}\nUNION ALL\n{still_open(on_sqlite=reader.on_sqlite)}",
        greatest_first=False,
        passed=reader.now - day,
        soon=reader.now + day,
    )
    overdue = {f"overdue {reason}": (reason,) for reason in REASONS}
    samples = found.series("kms_key_rotation_overdue", overdue, lambda _due_at: 1)
    for kind in KeyType:
        for reason in REASONS:
            labels = (kind, reason)
            samples.append(Sample("kms_keys_rotation_due", found.count(kind, f"due {reason}"), labels))
            samples.append(Sample("kms_keys_rotation_overdue", found.count(kind, f"overdue {reason}"), labels))
    return Read(samples, found.omitted(overdue))


def still_open(*, on_sqlite: bool) -> str:
    """Return the query for keys whose limit was passed a day ago, with an open rotation or a pending retry."""
    retried_by = _RETRIED_BY_ON_SQLITE if on_sqlite else _RETRIED_BY
    query = _STILL_OPEN.replace("{eight days after failure}", retried_by)
    query = re.sub(r"\{caused by (\w+)\}", _CAUSED, query)
    return re.sub(r"\{before ([^}]+)\}", _BEFORE_ON_SQLITE if on_sqlite else _BEFORE, query)


_OPEN = """SELECT status, count(*) FROM {s}.key_rotations WHERE status IN ('SCHEDULED', 'RUNNING') GROUP BY status"""
_LEASES = """SELECT count(*), min(lease_expires_at) FROM {s}.key_rotations
WHERE status = 'RUNNING' AND lease_expires_at < %(now)s"""
# A retry is planned again by a worker unless the key has an open rotation, or is no longer active.
_WAITING = f"""SELECT min(planned_at) FROM (
    SELECT min(scheduled_at) AS planned_at FROM {{s}}.key_rotations
    WHERE status = 'SCHEDULED' AND scheduled_at <= %(now)s
    UNION ALL
    SELECT min(pending.next_retry_at) FROM {{s}}.key_rotations AS pending
    WHERE pending.next_retry_at <= %(now)s AND {_PENDING}
        AND NOT EXISTS (
            SELECT 1 FROM {{s}}.key_rotations AS other
            WHERE other.key_id = pending.key_id AND other.status IN ('SCHEDULED', 'RUNNING')
        )
        AND EXISTS (
            SELECT 1 FROM {{s}}.key_masters AS master
            WHERE master.id = pending.key_id AND master.status || '' = 'active'
        )
) AS waiting"""
# As key_health_monitor counts attempts, of the last 30 days. SQLite takes the order of CROSS JOIN. An expression of a
# status has no index, which SQLite would take even if it reads more rows.
_FAILURES = """SELECT master.id, master.key_id, master.key_type, 'failing' AS about, failed.attempts AS measure,
    1 = 1 AS shown
FROM (
    SELECT rotation.key_id,
        sum(rotation.retry_count + CASE rotation.status WHEN 'FAILED' THEN 1 ELSE 0 END) AS attempts
    FROM (
        SELECT key_id, status, retry_count, failed_at FROM {s}.key_rotations{by idx_key_rotations_failed_partial}
        WHERE status = 'FAILED' AND failed_at >= %(since)s
        UNION ALL
        SELECT key_id, status, retry_count, failed_at
        FROM {s}.key_rotations{by idx_key_rotations_scheduling_covering}
        WHERE status IN ('SCHEDULED', 'RUNNING') AND failed_at IS NOT NULL
    ) AS rotation
    WHERE NOT EXISTS (
        SELECT 1 FROM {s}.key_rotations AS success
        WHERE success.key_id = rotation.key_id AND success.status || '' = 'COMPLETED'
            AND success.completed_at >= rotation.failed_at
    ) AND NOT EXISTS (
        SELECT 1 FROM {s}.key_versions AS newer
        WHERE newer.key_id = rotation.key_id AND newer.activated_at >= rotation.failed_at
    )
    GROUP BY rotation.key_id
) AS failed
CROSS JOIN {s}.key_masters AS master
WHERE master.id = failed.key_id AND master.status || '' = 'active'"""
_RECENT = """SELECT coalesce(sum(completed_count), 0), coalesce(sum(failed_count), 0),
    sum(average_execution_ms * completed_count) / nullif(sum(CASE WHEN average_execution_ms IS NOT NULL
        THEN completed_count ELSE 0 END), 0), max(worst_execution_ms)
FROM {s}.key_management_dashboard WHERE section = 'rotations'"""
_RECENT_ON_SQLITE = """SELECT coalesce(sum(status = 'COMPLETED'), 0), coalesce(sum(status = 'FAILED'), 0),
    avg(execution_time_ms), max(execution_time_ms)
FROM {s}.key_rotations WHERE status IN ('COMPLETED', 'FAILED') AND scheduled_at >= %(first_midnight)s"""
DAYS = 30


def rotations(reader: Reader) -> Read:
    """Count open and ended rotations, expired leases, and failed attempts of each key."""
    counts = dict(reader.rows(_OPEN))
    samples = [
        Sample("kms_rotations_open", counts.get(status, 0), (status,))
        for status in (RotationStatus.SCHEDULED, RotationStatus.RUNNING)
    ]
    samples += _recent(reader)
    [(expired, earliest)] = reader.rows(_LEASES, now=reader.now)
    samples.append(Sample("kms_rotation_leases_expired", expired))
    if earliest is not None:
        samples.append(Sample("kms_rotation_lease_expiration_timestamp_seconds", seconds(earliest)))
    [(scheduled,)] = reader.rows(_WAITING, now=reader.now)
    if scheduled is not None:
        samples.append(Sample("kms_rotation_scheduled_oldest_timestamp_seconds", seconds(scheduled)))
    found = Found(reader, _FAILURES, greatest_first=True, since=reader.now - dt.timedelta(days=DAYS))
    abouts: dict[str, tuple[str, ...]] = {"failing": ()}
    samples += found.series("kms_key_rotation_failures", abouts)
    return Read(samples, found.omitted(abouts))


def _recent(reader: Reader) -> list[Sample]:
    if reader.on_sqlite:
        midnight = reader.now.replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=DAYS - 1)
        [row] = reader.rows(_RECENT_ON_SQLITE, first_midnight=midnight)
    else:
        [row] = reader.rows(_RECENT)
    completed, failed, average, longest = row
    samples = [
        Sample("kms_rotations_recent", int(completed), (RotationStatus.COMPLETED,)),
        Sample("kms_rotations_recent", int(failed), (RotationStatus.FAILED,)),
    ]
    if average is not None:
        samples.append(Sample("kms_rotation_duration_average_seconds", float(average) / 1000))
    if longest is not None:
        samples.append(Sample("kms_rotation_duration_maximum_seconds", float(longest) / 1000))
    return samples
