"""Keys that are due for rotation, and rotations that run or fail."""

import datetime as dt

from kms_schema.monitoring.names import REASONS
from kms_schema.monitoring.parts.single_keys import Found
from kms_schema.monitoring.reader import Reader, seconds
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.vocabulary import KeyType, RotationStatus

_DUE = """SELECT id, key_id, key_type, CASE WHEN overdue THEN 'overdue ' ELSE 'due ' END || reason AS about,
    due_at AS measure, overdue AS shown
FROM {s}.rotations_due"""


def due(reader: Reader) -> Read:
    """Count the keys in rotations_due by type and reason, and list those whose limit is passed."""
    found = Found(reader, _DUE, greatest_first=False)
    overdue = {f"overdue {reason}": (reason,) for reason in REASONS}
    samples = found.series("kms_key_rotation_overdue", overdue, lambda _due_at: 1)
    for kind in KeyType:
        for reason in REASONS:
            labels = (kind, reason)
            samples.append(Sample("kms_keys_rotation_due", found.count(kind, f"due {reason}"), labels))
            samples.append(Sample("kms_keys_rotation_overdue", found.count(kind, f"overdue {reason}"), labels))
    return Read(samples, found.omitted(overdue))


_OPEN = """SELECT status, count(*) FROM {s}.key_rotations WHERE status IN ('SCHEDULED', 'RUNNING') GROUP BY status"""
_LEASES = """SELECT count(*), min(lease_expires_at) FROM {s}.key_rotations
WHERE status = 'RUNNING' AND lease_expires_at < %(now)s"""
_WAITING = """SELECT min(scheduled_at) FROM {s}.key_rotations
WHERE status = 'SCHEDULED' AND scheduled_at <= %(now)s"""
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
