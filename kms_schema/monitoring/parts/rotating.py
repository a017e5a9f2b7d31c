"""Keys that are due for rotation, and rotations that run or fail."""

import datetime as dt

from kms_schema.monitoring.names import OPEN_DAYS, REASONS
from kms_schema.monitoring.parts.keys import Found
from kms_schema.monitoring.reader import Reader, seconds
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.vocabulary import KeyType, RotationStatus


def due(reader: Reader) -> Read:
    """Count the keys in rotations_due by type and reason, and list the keys whose limit is passed.

    Keys whose limit is passed for a day are overdue although a rotation is open.
    """
    day = dt.timedelta(days=OPEN_DAYS)
    found = Found(reader, "due", greatest_first=False, passed=reader.now - day, soon=reader.now + day)
    overdue = {f"overdue {reason}": (reason,) for reason in REASONS}
    samples = found.series("kms_key_rotation_overdue", overdue, lambda _due_at: 1)
    for kind in KeyType:
        for reason in REASONS:
            labels = (kind, reason)
            samples.append(Sample("kms_keys_rotation_due", found.count(kind, f"due {reason}"), labels))
            samples.append(Sample("kms_keys_rotation_overdue", found.count(kind, f"overdue {reason}"), labels))
    return Read(samples, found.omitted(overdue))


DAYS = 30


def rotations(reader: Reader) -> Read:
    """Count open and ended rotations, expired leases, and failed attempts of each key."""
    counts = dict(reader.rows("open_rotations"))
    samples = [
        Sample("kms_rotations_open", counts.get(status, 0), (status,))
        for status in (RotationStatus.SCHEDULED, RotationStatus.RUNNING)
    ]
    samples += _recent(reader)
    [(expired, earliest)] = reader.rows("expired_leases", now=reader.now)
    samples.append(Sample("kms_rotation_leases_expired", expired))
    if earliest is not None:
        samples.append(Sample("kms_rotation_lease_expiration_timestamp_seconds", seconds(earliest)))
    [(scheduled,)] = reader.rows("waiting", now=reader.now)
    if scheduled is not None:
        samples.append(Sample("kms_rotation_scheduled_oldest_timestamp_seconds", seconds(scheduled)))
    found = Found(reader, "failures", greatest_first=True, since=reader.now - dt.timedelta(days=DAYS))
    abouts: dict[str, tuple[str, ...]] = {"failing": ()}
    samples += found.series("kms_key_rotation_failures", abouts)
    return Read(samples, found.omitted(abouts))


def _recent(reader: Reader) -> list[Sample]:
    midnight = reader.now.replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=DAYS - 1)
    [(completed, failed, average, longest)] = reader.rows("ended_rotations", first_midnight=midnight)
    samples = [
        Sample("kms_rotations_recent", int(completed), (RotationStatus.COMPLETED,)),
        Sample("kms_rotations_recent", int(failed), (RotationStatus.FAILED,)),
    ]
    if average is not None:
        samples.append(Sample("kms_rotation_duration_average_seconds", float(average) / 1000))
    if longest is not None:
        samples.append(Sample("kms_rotation_duration_maximum_seconds", float(longest) / 1000))
    return samples
