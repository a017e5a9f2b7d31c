"""Keys by type and status, those that expire or are near their limit, and HSMs."""

import datetime as dt

from kms_schema.monitoring.names import EXPIRY_DAYS, MOST_SERIES, NO_HEALTH
from kms_schema.monitoring.parts.single_keys import Found
from kms_schema.monitoring.reader import Reader, seconds
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.vocabulary import HsmHealth, HsmProvider, KeyStatus, KeyType

_KEYS = """SELECT key_type, status, sum(key_count) FROM {s}.key_management_dashboard
WHERE section = 'keys' GROUP BY key_type, status"""
_KEYS_ON_SQLITE = "SELECT key_type, status, count(*) FROM {s}.key_masters GROUP BY key_type, status"
VIEWS = ("key_health_monitor", "key_management_dashboard")


def keys(reader: Reader) -> Read:
    """Count keys by type and status; on PostgreSQL as of the last refresh of the dashboard."""
    counts = {
        (row[0], row[1]): int(row[2]) for row in reader.rows(_KEYS_ON_SQLITE if reader.on_sqlite else _KEYS)
    }  # fmt: skip
    samples = [
        Sample("kms_keys", counts.get((kind, status), 0), (kind, status)) for kind in KeyType for status in KeyStatus
    ]
    if reader.on_sqlite:  # its views are never stale
        refreshed = [(view, reader.now) for view in VIEWS]
    else:
        refreshed = [
            (row[0], row[1]) for row in reader.rows("SELECT view_name, refreshed_at FROM {s}.key_view_refreshes")
        ]
    samples += [Sample("kms_view_refresh_timestamp_seconds", seconds(at), (view,)) for view, at in refreshed]
    return Read(samples)


_EXPIRING = """SELECT id, key_id, key_type, CASE WHEN expires_at > %(now)s THEN 'expiring' ELSE 'expired' END AS about,
    {epoch expires_at} AS measure, 1 = 1 AS shown
FROM {s}.key_masters{by idx_key_masters_expiring_partial}
WHERE status = 'active' AND expires_at <= %(until)s"""


def expiry(reader: Reader) -> Read:
    """List active keys that expire within 30 days or have expired."""
    until = reader.now + dt.timedelta(days=EXPIRY_DAYS)
    abouts: dict[str, tuple[str, ...]] = {"expired": (), "expiring": ()}
    found = Found(reader, _EXPIRING, greatest_first=False, apart=[*abouts], now=reader.now, until=until)
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


# As in rotations_due: from 90 % of its own limit on, the index bound of a live version is the greatest number.
_NEAR_LIMIT = """SELECT master.id, master.key_id, master.key_type, 'near' AS about,
    1.0 * version.usage_count / master.most_uses AS measure, 1 = 1 AS shown
FROM {s}.key_versions AS version
INNER JOIN (
    SELECT id, key_id, key_type, status, CASE
        WHEN algorithm = 'AES-256-GCM' AND coalesce(max_usage_count, 2147483648) >= 2147483648 THEN 2147483648
        ELSE coalesce(max_usage_count, 1000000000000000)
    END AS most_uses
    FROM {s}.key_masters
) AS master ON version.key_id = master.id
WHERE
    version.key_type IN ('kek', 'dek', 'tls', 'hsm', 'backup')
    AND version.usage_index_bound = 9223372036854775807
    AND version.activated_at IS NOT NULL
    AND version.deactivated_at IS NULL
    AND master.status || '' = 'active'
    AND version.usage_count * 10 >= master.most_uses * 9"""


def usage(reader: Reader) -> Read:
    """List active keys whose live version has reached 90 % of its limit."""
    found = Found(reader, _NEAR_LIMIT, greatest_first=True)
    abouts: dict[str, tuple[str, ...]] = {"near": ()}
    samples = found.series("kms_key_usage_ratio", abouts)
    samples += [Sample("kms_keys_near_limit", found.count(kind, "near"), (kind,)) for kind in KeyType]
    return Read(samples, found.omitted(abouts))


_HSMS = """SELECT configuration_name, provider, is_active, health_status, last_health_check, response_time_ms
FROM {s}.hsm_configurations
ORDER BY is_active DESC, CASE WHEN health_status = 'HEALTHY' THEN 1 ELSE 0 END, configuration_name"""
_OPERATIONS = """SELECT hsm_provider, sum(key_count * average_usage) FROM {s}.key_management_dashboard
WHERE section = 'keys' AND hsm_provider IS NOT NULL GROUP BY hsm_provider"""
_OPERATIONS_ON_SQLITE = """SELECT hsm_provider, sum(usage_count) FROM {s}.key_masters
WHERE hsm_provider IS NOT NULL GROUP BY hsm_provider"""


def hsms(reader: Reader) -> Read:
    """Show each HSM with the result of its last health check, and the use of the keys of each provider."""
    samples: list[Sample] = []
    found = reader.rows(_HSMS)
    for name, provider, active, health, checked, milliseconds in found[:MOST_SERIES]:
        hsm = (name, provider)
        samples.append(Sample("kms_hsm_active", int(active), hsm))
        for status in (*HsmHealth, NO_HEALTH):
            samples.append(Sample("kms_hsm_health", int((health or NO_HEALTH) == status), (*hsm, status)))
        if checked is not None:
            samples.append(Sample("kms_hsm_health_check_timestamp_seconds", seconds(checked), hsm))
        if milliseconds is not None:
            samples.append(Sample("kms_hsm_response_seconds", milliseconds / 1000, hsm))
    used = dict(reader.rows(_OPERATIONS_ON_SQLITE if reader.on_sqlite else _OPERATIONS))
    samples += [Sample("kms_hsm_provider_operations", float(used.get(each, 0)), (each,)) for each in HsmProvider]
    return Read(samples, max(0, len(found) - MOST_SERIES))
