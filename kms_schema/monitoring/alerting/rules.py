"""The alerts, as data. The page "alerts" of the documentation has the causes of each, and what to do."""

from kms_schema.monitoring.alerting.alerts import AGE, COUNT, KEY, Alert, Severity
from kms_schema.monitoring.alerting.last_known import SUCCEEDED, last_known
from kms_schema.monitoring.alerting.thresholds import DAY, Thresholds
from kms_schema.monitoring.names import COLLECTOR_OMITTED, COLLECTOR_SUCCESS

_TARGETS = 'up{job=~"kms.*"}'
"""The targets of databases: a job that has never answered has only these."""
CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def alerts(limits: Thresholds) -> tuple[Alert, ...]:
    """Return all alerts, in the order of the documentation."""
    return (*_keys(limits), *_rotations(limits), *_trail(limits), *_security(limits), *_hsms(limits), *_upkeep(limits),
            *_collection(limits))  # fmt: skip


def _keys(limits: Thresholds) -> tuple[Alert, ...]:
    left = f"{last_known('kms_key_expiration_timestamp_seconds')} - time()"
    ratio = last_known("kms_key_usage_ratio")
    days = limits.expires_within_days
    # A key is in one range. An inhibition comes late after a restart of Alertmanager, and hides the end of a notice.
    notices = [
        Alert(
            f"KmsKeyExpiresIn{most}Day{'s' if most > 1 else ''}", severity,
            f"({left} <= {most * DAY}) > {least * DAY}",
            f"{KEY} expires in {AGE}.", soon=False,
        )
        for most, least, severity in zip(days, (*days[1:], 0), (INFO, WARNING, CRITICAL), strict=True)
    ]  # fmt: skip
    return (
        *notices,
        Alert("KmsKeyExpired", CRITICAL, f"{left} <= 0", f"{KEY} has expired and is still active.", soon=False),
        Alert("KmsKeyNearLimit", WARNING, f"({ratio} >= {limits.usage}) < 1",
              f"{KEY} has used {{{{ $value | humanizePercentage }}}} of its limit.", soon=False),
        Alert("KmsKeyAtLimit", CRITICAL, f"{ratio} >= 1", f"{KEY} has reached its limit and encrypts no more."),
    )  # fmt: skip


def _rotations(limits: Thresholds) -> tuple[Alert, ...]:
    return (
        # A key that only expires is not rotated again: KmsKeyExpired is about it.
        Alert("KmsRotationOverdue", WARNING,
              f"sum by (job) ({last_known('kms_keys_rotation_overdue')}{{reason!=\"expiry\"}}) > 0",
              f"{COUNT} keys are overdue for rotation.", limits.rotation_overdue, soon=False),
        Alert("KmsRotationWaiting", WARNING,
              f"{last_known('kms_rotation_scheduled_oldest_timestamp_seconds')} > {limits.rotation_waits}",
              f"A rotation has waited {AGE} for a worker.", soon=False),
        Alert("KmsRotationFailing", CRITICAL,
              f"{last_known('kms_key_rotation_failures')} >= {limits.rotation_failures}",
              f"{KEY} could not be rotated {COUNT} times."),
        Alert("KmsRotationLeaseExpired", WARNING, f"{last_known('kms_rotation_leases_expired')} > 0",
              f"{COUNT} rotations were left by their workers.", limits.collection),
    )  # fmt: skip


def _trail(limits: Thresholds) -> tuple[Alert, ...]:
    sealed = last_known("kms_audit_seal_number")
    published = last_known("kms_audit_published_seal_number")
    seal_age = last_known("kms_audit_seal_timestamp_seconds")
    cosigned = f"min by (job) ({last_known('kms_audit_cosignature_timestamp_seconds')})"
    entries = last_known("kms_audit_entries_total")
    return (
        Alert("KmsEntriesUnsealed", CRITICAL,
              f"{last_known('kms_audit_unsealed_oldest_timestamp_seconds')} > {limits.unsealed}\n"
              f"  unless on (job) {sealed} == 0",
              f"The oldest unsealed entry is {AGE} old."),
        Alert("KmsNoSeal", WARNING, f"{sealed} == 0", "The audit trail has no seal.", limits.unsealed, soon=False),
        Alert("KmsNoPublication", WARNING,
              f"{last_known('kms_audit_publication_timestamp_seconds')} > {limits.unpublished}\n"
              f"  and on (job) {sealed} != {published}",
              f"The last checkpoint was published {AGE} ago.", soon=False),
        Alert("KmsNoCosignature", WARNING,
              f"{cosigned} > {limits.not_cosigned}\n  and on (job) {seal_age} < {cosigned}",
              f"The last cosignature of a witness is {AGE} old.", soon=False),
        Alert("KmsRetentionLate", WARNING,
              f"{last_known('kms_audit_retention_end_timestamp_seconds')} > {limits.retention}",
              f"Entries are kept {AGE} past their retention period.", soon=False),
        Alert("KmsLogGrowth", INFO,
              f"({entries} - {entries} offset 1d > {limits.growth_entries})\n"
              f"  > {limits.growth} * ({entries} offset 1d - {entries} offset 8d) / 7",
              f"The audit log grew by {COUNT} entries in a day.", soon=False),
    )  # fmt: skip


def _security(limits: Thresholds) -> tuple[Alert, ...]:
    del limits
    entries = last_known("kms_audit_high_risk_entries")
    written = last_known("kms_audit_high_risk_timestamp_seconds")
    anomalies = last_known("kms_anomalies")
    began = last_known("kms_anomaly_timestamp_seconds")

    def of(level: str) -> str:
        return (f'(sum by (job) ({entries}{{window="1h", {level}}}) > 0)\n'
                f'  * on (job) group_right () {_labelled("last", ("job",), f"{written}{{{level}}}")}')  # fmt: skip

    return (
        Alert("KmsCriticalEntries", CRITICAL, of('security_level="CRITICAL"'),
              f"{COUNT} critical entries were written in the last hour."),
        Alert("KmsHighRiskEntries", WARNING, of('security_level!="CRITICAL"'),
              f"{COUNT} entries of high risk were written in the last hour."),
        Alert("KmsAnomalies", WARNING,
              f"({anomalies} > 0)\n  * on (job, rule) group_right () {_labelled('newest', ('job', 'rule'), began)}",
              f"The rule {{{{ $labels.rule }}}} found {COUNT} anomalies in the last day."),
    )  # fmt: skip


def _labelled(name: str, by: tuple[str, ...], time: str) -> str:
    """Return 1 with a time as a label: with another time it is another alert, and has a notice of its own."""
    labels = ", ".join(by)
    return f'count_values by ({labels}) ("{name}", max by ({labels}) ({time}))'


def _hsms(limits: Thresholds) -> tuple[Alert, ...]:
    health = last_known("kms_hsm_health")
    in_use = f"and on (job, hsm) {last_known('kms_hsm_active')} == 1"
    unchecked = f"{last_known('kms_hsm_health_check_timestamp_seconds')} > {limits.hsm_unchecked}"
    return (
        Alert("KmsHsmOffline", CRITICAL, f'{health}{{status="OFFLINE"}} == 1 {in_use}',
              "HSM {{ $labels.hsm }} does not answer."),
        Alert("KmsHsmDegraded", WARNING, f'{health}{{status="DEGRADED"}} == 1 {in_use}',
              "HSM {{ $labels.hsm }} is slow, or lacks a key, or does not encrypt as it should."),
        Alert("KmsHsmNotChecked", WARNING,
              f'({unchecked} or {health}{{status="UNKNOWN"}} == 1)\n  {in_use}\n'
              f'  unless on (job, hsm) {health}{{status="OFFLINE"}} == 1',
              "The health of HSM {{ $labels.hsm }} was not checked in time.", limits.collection),
    )  # fmt: skip


def _upkeep(limits: Thresholds) -> tuple[Alert, ...]:
    return (
        Alert("KmsValidationOld", WARNING,
              f"min by (job) ({last_known('kms_validation_timestamp_seconds')}) > {limits.validation}",
              f"The last validation is {AGE} old.", soon=False),
        Alert("KmsValidationErrors", CRITICAL, f'{last_known("kms_validation_findings")}{{severity="error"}} > 0',
              f"The last validation of level {{{{ $labels.level }}}} found {COUNT} errors."),
        Alert("KmsValidationIncomplete", WARNING, f"{last_known('kms_validation_unchecked')} > 0",
              f"The last validation of level {{{{ $labels.level }}}} could not run {COUNT} checks.", soon=False),
        Alert("KmsDashboardStale", WARNING, f"{last_known('kms_view_refresh_timestamp_seconds')} > {limits.refresh}",
              f"The view {{{{ $labels.view }}}} was refreshed {AGE} ago.", soon=False),
    )  # fmt: skip


def _collection(limits: Thresholds) -> tuple[Alert, ...]:
    return (
        Alert("KmsExporterAbsent", CRITICAL,
              f"group by (job) ({SUCCEEDED} or {_TARGETS}) unless on (job) {COLLECTOR_SUCCESS}\n"
              f"  or absent({COLLECTOR_SUCCESS}) unless on () ({SUCCEEDED} or {_TARGETS})",
              "No exporter of {{ with $labels.job }}{{ . }}{{ else }}the key database{{ end }} answers.",
              limits.collection),
        Alert("KmsCollectorFailed", WARNING, f"min by (job, part) ({COLLECTOR_SUCCESS}) == 0",
              "An exporter cannot read the part {{ $labels.part }}.", limits.collection),
        Alert("KmsMetricsOld", CRITICAL,
              f"time() - max by (job) (kms_collector_timestamp_seconds) > {limits.collection}",
              f"The metrics are {AGE} old.", soon=True),
        Alert("KmsSeriesOmitted", WARNING, f"max by (job, part) ({COLLECTOR_OMITTED}) > 0",
              f"{COUNT} keys of the part {{{{ $labels.part }}}} have no series and no alerts of their own."),
    )  # fmt: skip
