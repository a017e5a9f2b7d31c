"""Keys by type and status, those that expire or are near their limit, and HSMs."""

import datetime as dt
from typing import Any, NamedTuple

from kms_schema.monitoring.names import EXPIRY_DAYS, MOST_SERIES, NO_HEALTH
from kms_schema.monitoring.parts.single_keys import Found
from kms_schema.monitoring.reader import Reader, seconds
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.vocabulary import HsmHealth, HsmProvider, KeyStatus, KeyType

VIEWS = ("key_health_monitor", "key_management_dashboard")


def keys(reader: Reader) -> Read:
    """Count keys by type and status; on PostgreSQL as of the last refresh of the dashboard."""
    counts = {(kind, status): int(count) for kind, status, count in reader.rows("keys")}
    samples = [
        Sample("kms_keys", counts.get((kind, status), 0), (kind, status)) for kind in KeyType for status in KeyStatus
    ]
    # The views of SQLite are never stale.
    refreshed = [(view, reader.now) for view in VIEWS] if reader.on_sqlite else reader.rows("view_refreshes")
    samples += [Sample("kms_view_refresh_timestamp_seconds", seconds(at), (view,)) for view, at in refreshed]
    return Read(samples)


def expiry(reader: Reader) -> Read:
    """List active keys that expire within 30 days or have expired."""
    until = reader.now + dt.timedelta(days=EXPIRY_DAYS)
    abouts: dict[str, tuple[str, ...]] = {"expired": (), "expiring": ()}
    found = Found(reader, "expiring", greatest_first=False, apart=[*abouts], now=reader.now, until=until)
    samples = found.series("kms_key_expiration_timestamp_seconds", abouts, seconds)
    if not reader.names:  # both have a series without a name: the earlier one counts
        first: dict[tuple[str, ...], Sample] = {}
        for each in sorted(samples, key=lambda sample: sample.value):
            first.setdefault(each.labels, each)
        samples = list(first.values())
    for kind in KeyType:
        samples.append(Sample("kms_keys_expiring", found.count(kind, "expiring"), (kind,)))
        samples.append(Sample("kms_keys_expired_active", found.count(kind, "expired"), (kind,)))
    return Read(samples, found.omitted(abouts))


def usage(reader: Reader) -> Read:
    """List active keys whose live version has reached 90 % of its limit."""
    found = Found(reader, "near_limit", greatest_first=True)
    abouts: dict[str, tuple[str, ...]] = {"near": ()}
    samples = found.series("kms_key_usage_ratio", abouts)
    samples += [Sample("kms_keys_near_limit", found.count(kind, "near"), (kind,)) for kind in KeyType]
    return Read(samples, found.omitted(abouts))


class Hsm(NamedTuple):
    """An HSM configuration with the result of its last health check."""

    name: str
    provider: str
    is_active: bool
    health: str | None
    checked_at: Any
    milliseconds: float | None


def hsms(reader: Reader) -> Read:
    """Show each HSM with the result of its last health check, and the use of the keys of each provider."""
    samples: list[Sample] = []
    found = reader.read(Hsm, "hsms")
    for each in found[:MOST_SERIES]:
        hsm = (each.name, each.provider)
        samples.append(Sample("kms_hsm_active", int(each.is_active), hsm))
        for status in (*HsmHealth, NO_HEALTH):
            samples.append(Sample("kms_hsm_health", int((each.health or NO_HEALTH) == status), (*hsm, status)))
        if each.checked_at is not None:
            samples.append(Sample("kms_hsm_health_check_timestamp_seconds", seconds(each.checked_at), hsm))
        if each.milliseconds is not None:
            samples.append(Sample("kms_hsm_response_seconds", each.milliseconds / 1000, hsm))
    used = dict(reader.rows("hsm_operations"))
    samples += [Sample("kms_hsm_provider_operations", float(used.get(each, 0)), (each,)) for each in HsmProvider]
    return Read(samples, max(0, len(found) - MOST_SERIES))
