"""The thresholds of the alerts, in one place."""

from dataclasses import dataclass

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Thresholds:
    """The values from which on an alert fires. Times are in seconds."""

    expires_within_days: tuple[int, int, int] = (30, 7, 1)
    """Days before the expiration of a key: one notice each."""
    rotation_overdue: int = HOUR
    """How long keys are overdue before it is an alert: the scheduler runs every minute."""
    rotation_waits: int = DAY
    """How long a scheduled rotation waits for a worker: a window opens once a day."""
    rotation_failures: int = 3
    """Failed attempts since the last rotation: one less than a rotation has by default."""
    unsealed: int = HOUR
    """The age of the oldest unsealed entry: sealing runs every five minutes."""
    unpublished: int = DAY
    """The age of the last publication while a newer seal exists."""
    not_cosigned: int = 2 * DAY
    """The age of the last cosignature while a newer seal exists: witnesses answer once a day."""
    hsm_unchecked: int = HOUR
    """The age of the last health check of an HSM."""
    usage: float = 0.95
    """The use as a fraction of the limit. A rotation is due from 0.9 on."""
    validation: int = 2 * DAY
    """The age of the last recorded validation: validation runs daily."""
    refresh: int = HOUR
    """The age of a view: `refresh` runs every five minutes."""
    growth: int = 5
    """Entries of the last day, as a multiple of the daily average of the week before."""
    growth_entries: int = 100_000
    """Fewer entries of a day are never an alert."""
    retention: int = 7 * DAY
    """How long entries are kept past their retention period: `audit retain` runs weekly."""
    collection: int = 15 * MINUTE
    """How long a part fails, or the metrics are missing or old, before it is an alert."""
    remembered: int = 7 * DAY
    """How long the last known values count while a part fails or the exporter is gone."""
