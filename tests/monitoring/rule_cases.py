"""Each alert with the series that make it fire, and the nearest ones that do not; and those of a database in order."""

from dataclasses import dataclass, field

from kms_schema.monitoring.alerting.thresholds import DAY, HOUR, MINUTE, Thresholds
from kms_schema.monitoring.names import Part

LIMITS = Thresholds()
STEPS = 12
"""Each of ten minutes."""

Values = str
"""The values of a series, one each ten minutes, as promtool reads them."""


def constant(value: float) -> Values:
    return f"{value}+0x{STEPS}"


def ago(seconds: float) -> Values:
    """Return a time that is always so long ago."""
    return f"{-seconds}+600x{STEPS}"


def series(metric: str, **labels: str) -> str:
    """Return the name of a series with labels, to which the exporter's are added."""
    return metric + "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def key(name: str) -> dict[str, str]:
    """Return the labels of a key."""
    return {"key_id": f"id-of-{name}", "key_name": name, "key_type": "dek"}


def hsm(name: str) -> dict[str, str]:
    """Return the labels of an HSM."""
    return {"hsm": name, "provider": "pkcs11"}


def health(name: str, status: str, *, active: int = 1, checked: int = 5 * MINUTE) -> dict[str, Values]:
    """Return what is reported about an HSM."""
    statuses = ("HEALTHY", "DEGRADED", "OFFLINE", "UNKNOWN")
    return {
        **{series("kms_hsm_health", **hsm(name), status=each): constant(int(each == status)) for each in statuses},
        series("kms_hsm_active", **hsm(name)): constant(active),
        series("kms_hsm_health_check_timestamp_seconds", **hsm(name)): ago(checked),
    }


IN_ORDER: dict[str, Values] = {
    **{series("kms_collector_success", part=part): constant(1) for part in Part},
    **{series("kms_collector_omitted_series", part=part): constant(0) for part in ("expiry", "due", "usage")},
    series("kms_collector_timestamp_seconds"): ago(0),
    series("kms_keys_rotation_overdue", key_type="dek", reason="time"): constant(0),
    series("kms_keys_rotation_overdue", key_type="dek", reason="expiry"): constant(1),
    series("kms_rotation_leases_expired"): constant(0),
    series("kms_audit_unsealed_entries"): constant(0),
    series("kms_audit_seal_number"): constant(7),
    series("kms_audit_seal_timestamp_seconds"): ago(5 * MINUTE),
    series("kms_audit_published_seal_number"): constant(7),
    series("kms_audit_publication_timestamp_seconds"): ago(5 * MINUTE),
    series("kms_audit_cosignature_timestamp_seconds", witness="w1"): ago(HOUR),
    series("kms_audit_cosignature_timestamp_seconds", witness="w2"): ago(90 * DAY),
    series("kms_audit_entries_total"): constant(1000),
    series("kms_audit_retention_end_timestamp_seconds"): ago(-DAY),
    series("kms_audit_high_risk_entries", window="1h", security_level="CRITICAL"): constant(0),
    series("kms_audit_high_risk_entries", window="1h", security_level="HIGH"): constant(0),
    series("kms_audit_high_risk_entries", window="24h", security_level="CRITICAL"): constant(3),
    series("kms_anomalies", rule="new-actor"): constant(0),
    **health("utimaco", "HEALTHY"),
    series("kms_validation_timestamp_seconds", level="catalog"): ago(DAY),
    series("kms_validation_timestamp_seconds", level="data"): ago(90 * DAY),
    series("kms_validation_findings", level="catalog", severity="error"): constant(0),
    series("kms_validation_findings", level="catalog", severity="warning"): constant(4),
    series("kms_validation_unchecked", level="catalog"): constant(0),
    series("kms_view_refresh_timestamp_seconds", view="key_management_dashboard"): ago(5 * MINUTE),
}
"""What an exporter of a database in order reports, all the time."""


@dataclass(frozen=True)
class Case:
    """An alert, what makes it fire, and what does not: each replaces series of `IN_ORDER`."""

    alert: str
    fires: dict[str, Values]
    quiet: dict[str, Values]
    says: str
    """The sentence of its annotation `summary`."""
    severity: str
    labels: dict[str, str] = field(default_factory=dict)
    """The labels of the alert besides `job` and `severity`."""


def _expiration(days: float, **labels: str) -> dict[str, Values]:
    """Return the expiration of a key so many days after the end of a case."""
    return {series("kms_key_expiration_timestamp_seconds", **labels): constant(days * DAY + STEPS * 10 * MINUTE)}


def _expires(name: str, days: float) -> dict[str, Values]:
    return _expiration(days, **key(name))


def _unnamed(days: float) -> dict[str, Values]:
    """Return the same of an exporter with `--no-names`."""
    return _expiration(days, key_id="", key_name="", key_type="tls")


def _used(name: str, ratio: float) -> dict[str, Values]:
    return {series("kms_key_usage_ratio", **key(name)): constant(ratio)}


def _one(metric: str, values: Values, **labels: str) -> dict[str, Values]:
    return {series(metric, **labels): values}


def _unsealed(age: int) -> dict[str, Values]:
    return {
        series("kms_audit_unsealed_oldest_timestamp_seconds"): ago(age),
        series("kms_audit_seal_number"): constant(7),
    }


def _entries(level: str, number: int) -> dict[str, Values]:
    return {
        series("kms_audit_high_risk_entries", window="1h", security_level=level): constant(number),
        series("kms_audit_high_risk_timestamp_seconds", security_level=level): constant(WRITTEN),
    }


def _anomalies(number: int) -> dict[str, Values]:
    return {
        series("kms_anomalies", rule="new-actor"): constant(number),
        series("kms_anomaly_timestamp_seconds", rule="new-actor"): constant(WRITTEN),
    }


WRITTEN = 1795900000.25
"""The time of an entry."""


def _published(age: int, number: int) -> dict[str, Values]:
    return {
        series("kms_audit_publication_timestamp_seconds"): ago(age),
        series("kms_audit_published_seal_number"): constant(number),
        series("kms_audit_seal_number"): constant(7),
    }


def _cosigned(age: int) -> dict[str, Values]:
    return _one("kms_audit_cosignature_timestamp_seconds", ago(age), witness="w1")


CASES = (
    Case("KmsKeyExpiresIn30Days", _expires("a", 29.5), _expires("a", 30.1), "Key a expires in 29d 12h 0m 0s.", "info",
         key("a")),
    Case("KmsKeyExpiresIn30Days", _unnamed(29.5), _unnamed(30.1), "A tls key expires in 29d 12h 0m 0s.", "info",
         {"key_type": "tls"}),
    Case("KmsKeyExpiresIn7Days", _expires("b", 6.5), _expires("b", 30.1), "Key b expires in 6d 12h 0m 0s.", "warning",
         key("b")),
    Case("KmsKeyExpiresIn1Day", _expires("c", 0.5), _expires("c", 30.1), "Key c expires in 12h 0m 0s.", "critical",
         key("c")),
    Case("KmsKeyExpired", _expires("d", -0.5), _expires("d", 30.1), "Key d has expired and is still active.",
         "critical", key("d")),
    Case("KmsKeyNearLimit", _used("e", 0.95), _used("e", 0.94), "Key e has used 95% of its limit.", "warning",
         key("e")),
    Case("KmsKeyAtLimit", _used("f", 1.02), _used("f", 0.94), "Key f has reached its limit and encrypts no more.",
         "critical", key("f")),
    Case("KmsRotationOverdue", _one("kms_keys_rotation_overdue", constant(2), key_type="dek", reason="time"),
         _one("kms_keys_rotation_overdue", "0+0x6 2+0x5", key_type="dek", reason="time"),
         "2 keys are overdue for rotation.", "warning"),
    Case("KmsRotationWaiting", _one("kms_rotation_scheduled_oldest_timestamp_seconds", ago(25 * HOUR)),
         _one("kms_rotation_scheduled_oldest_timestamp_seconds", ago(23 * HOUR)),
         "A rotation has waited 1d 1h 0m 0s for a worker.", "warning"),
    Case("KmsRotationFailing", _one("kms_key_rotation_failures", constant(3), **key("g")),
         _one("kms_key_rotation_failures", constant(2), **key("g")), "Key g could not be rotated 3 times.",
         "critical", key("g")),
    Case("KmsRotationLeaseExpired", _one("kms_rotation_leases_expired", constant(1)),
         _one("kms_rotation_leases_expired", "0+0x10 1+0x1"), "1 rotations were left by their workers.", "warning"),
    Case("KmsEntriesUnsealed", _unsealed(HOUR + 60), _unsealed(HOUR - 60), "The oldest unsealed entry is 1h 1m 0s old.",
         "critical"),
    Case("KmsNoSeal", _one("kms_audit_seal_number", constant(0)), _one("kms_audit_seal_number", "0+0x5 1+0x6"),
         "The audit trail has no seal.", "warning"),
    Case("KmsNoPublication", _published(25 * HOUR, 6), _published(25 * HOUR, 7),
         "The last checkpoint was published 1d 1h 0m 0s ago.", "warning"),
    Case("KmsNoPublication", _published(25 * HOUR, 99), _published(25 * HOUR, 7),  # no such seal is there
         "The last checkpoint was published 1d 1h 0m 0s ago.", "warning"),
    Case("KmsNoCosignature", _cosigned(49 * HOUR), _cosigned(47 * HOUR),
         "The last cosignature of a witness is 2d 1h 0m 0s old.", "warning"),
    Case("KmsRetentionLate", _one("kms_audit_retention_end_timestamp_seconds", ago(8 * DAY)),
         _one("kms_audit_retention_end_timestamp_seconds", ago(6 * DAY)),
         "Entries are kept 8d 0h 0m 0s past their retention period.", "warning"),
    Case("KmsCriticalEntries", _entries("CRITICAL", 1), _entries("CRITICAL", 0),
         "1 critical entries were written in the last hour.", "critical", {"last": str(WRITTEN)}),
    Case("KmsHighRiskEntries", _entries("HIGH", 2), _entries("HIGH", 0),
         "2 entries of high risk were written in the last hour.", "warning", {"last": str(WRITTEN)}),
    Case("KmsAnomalies", _anomalies(4), _anomalies(0), "The rule new-actor found 4 anomalies in the last day.",
         "warning", {"rule": "new-actor", "newest": str(WRITTEN)}),
    Case("KmsHsmOffline", health("luna-1", "OFFLINE"), health("luna-1", "OFFLINE", active=0),
         "HSM luna-1 does not answer.", "critical", hsm("luna-1") | {"status": "OFFLINE"}),
    Case("KmsHsmOffline", health("luna-5", "OFFLINE", checked=61 * MINUTE), health("luna-5", "OFFLINE", active=0),
         "HSM luna-5 does not answer.", "critical", hsm("luna-5") | {"status": "OFFLINE"}),
    Case("KmsHsmDegraded", health("luna-2", "DEGRADED"), health("luna-2", "DEGRADED", active=0),
         "HSM luna-2 is slow, or lacks a key, or does not encrypt as it should.", "warning",
         hsm("luna-2") | {"status": "DEGRADED"}),
    Case("KmsHsmNotChecked", health("luna-3", "HEALTHY", checked=61 * MINUTE),
         health("luna-3", "HEALTHY", checked=59 * MINUTE), "The health of HSM luna-3 was not checked in time.",
         "warning", hsm("luna-3")),
    Case("KmsHsmNotChecked", health("luna-4", "UNKNOWN"), health("luna-4", "UNKNOWN", active=0),
         "The health of HSM luna-4 was not checked in time.", "warning", hsm("luna-4") | {"status": "UNKNOWN"}),
    Case("KmsValidationOld", _one("kms_validation_timestamp_seconds", ago(49 * HOUR), level="catalog"),
         _one("kms_validation_timestamp_seconds", ago(47 * HOUR), level="catalog"),
         "The last validation is 2d 1h 0m 0s old.", "warning"),
    Case("KmsValidationErrors", _one("kms_validation_findings", constant(1), level="data", severity="error"),
         _one("kms_validation_findings", constant(9), level="data", severity="warning"),
         "The last validation of level data found 1 errors.", "critical", {"level": "data"}),
    Case("KmsValidationIncomplete", _one("kms_validation_unchecked", constant(5), level="data"),
         _one("kms_validation_unchecked", constant(0), level="data"),
         "The last validation of level data could not run 5 checks.", "warning", {"level": "data"}),
    Case("KmsDashboardStale",
         _one("kms_view_refresh_timestamp_seconds", ago(61 * MINUTE), view="key_management_dashboard"),
         _one("kms_view_refresh_timestamp_seconds", ago(59 * MINUTE), view="key_management_dashboard"),
         "The view key_management_dashboard was refreshed 1h 1m 0s ago.", "warning",
         {"view": "key_management_dashboard"}),
    Case("KmsCollectorFailed", _one("kms_collector_success", "1+0x5 0+0x6", part="statements"),
         _one("kms_collector_success", "1+0x10 0+0x1", part="statements"),
         "An exporter cannot read the part statements.", "warning", {"part": "statements"}),
    Case("KmsMetricsOld", _one("kms_collector_timestamp_seconds", ago(16 * MINUTE)),
         _one("kms_collector_timestamp_seconds", ago(14 * MINUTE)), "The metrics are 16m 0s old.", "critical"),
    Case("KmsSeriesOmitted", _one("kms_collector_omitted_series", constant(12), part="expiry"),
         _one("kms_collector_omitted_series", constant(0), part="expiry"),
         "12 keys of the part expiry have no series and no alerts of their own.", "warning", {"part": "expiry"}),
)  # fmt: skip
"""Every alert but the two that need other series: KmsExporterAbsent and KmsLogGrowth."""
