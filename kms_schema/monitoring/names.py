"""The names of all metrics, as data: the collector, the alerting rules, the dashboard and the documentation use them.

Times are Unix timestamps in seconds: rules subtract them from `time()`. A gauge that counts is 0 if there is nothing.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Part(StrEnum):
    """A part of a scrape. It succeeds or fails as a whole: `kms_collector_success{part}`."""

    DATABASE = "database"
    KEYS = "keys"
    EXPIRY = "expiry"
    DUE = "due"
    ROTATIONS = "rotations"
    USAGE = "usage"
    SEALING = "sealing"
    LOG = "log"
    RECORDS = "records"
    SECURITY = "security"
    ANOMALIES = "anomalies"
    HSMS = "hsms"
    STATEMENTS = "statements"


class Kind(StrEnum):
    """The type of a metric, as in the exposition format."""

    GAUGE = "gauge"
    COUNTER = "counter"


KEY_LABELS = ("key_id", "key_name", "key_type")
"""The labels of one key: its UUID, its name (`key_masters.key_id`) and its type."""

EVERY_TYPE = "0 for each key type from the start"
ALWAYS = "the part failed"
LISTED = "no key is in this state, or the part failed"
NOT_VALIDATED = "no validation of this level is recorded, one of level data came later, or the part failed"


@dataclass(frozen=True)
class Metric:
    """A metric: its name, part, help, labels, and the meaning of a missing series."""

    name: str
    """As it is exported; a counter's name ends with `_total`."""
    kind: Kind
    part: Part | None
    """The part that exports it; None for the metrics about the parts themselves."""
    help: str
    """One sentence, exported as `# HELP`."""
    labels: tuple[str, ...] = ()
    absent: str = ALWAYS
    """The meaning of a missing series."""


def _gauge(name: str, part: Part | None, text: str, labels: tuple[str, ...] = (), absent: str = ALWAYS) -> Metric:
    return Metric(name, Kind.GAUGE, part, text, labels, absent)


def _counter(name: str, part: Part | None, text: str, labels: tuple[str, ...] = (), absent: str = ALWAYS) -> Metric:
    return Metric(name, Kind.COUNTER, part, text, labels, absent)


COLLECTOR_SUCCESS = "kms_collector_success"
COLLECTOR_DURATION = "kms_collector_duration_seconds"
COLLECTOR_SKIPPED = "kms_collector_skipped_info"
COLLECTOR_OMITTED = "kms_collector_omitted_series"
COLLECTOR_TIME = "kms_collector_timestamp_seconds"

METRICS: tuple[Metric, ...] = (
    _gauge(COLLECTOR_SUCCESS, None, "1 if the part was read, 0 if it failed; a failed part exports nothing else.",
           ("part",), "the part is not in this version of the exporter, or it is skipped"),
    _gauge(COLLECTOR_DURATION, None, "The time that the part took.", ("part",), "the part failed or is skipped"),
    _gauge(COLLECTOR_SKIPPED, None, "1 with the reason, if the database does not have what the part reads.",
           ("part", "reason"), "the part is not skipped"),
    _gauge(COLLECTOR_OMITTED, None, "The number of series that the part left out because of its limit.",
           ("part",), "the part failed or has no series for each key"),
    _gauge("kms_collector_timestamp_seconds", None, "The time of the scrape: old in a text file that is left over.", (),
           "there is no exporter"),
    # The database
    _gauge("kms_build_info", Part.DATABASE, "1 with the versions of the package and of the schema.",
           ("version", "revision", "engine")),
    # Keys: from the dashboard, as of its last refresh
    _gauge("kms_keys", Part.KEYS, "The number of keys, as of the last refresh of the dashboard.",
           ("key_type", "status")),
    _gauge("kms_view_refresh_timestamp_seconds", Part.KEYS,
           "The last refresh of a view; on SQLite the time of the scrape.", ("view",)),
    # Expiry
    _gauge("kms_key_expiration_timestamp_seconds", Part.EXPIRY,
           "The expiration of an active key that expires within 30 days or has expired.", KEY_LABELS, LISTED),
    _gauge("kms_keys_expiring", Part.EXPIRY,
           "The number of active keys that expire within 30 days and have not expired yet.", ("key_type",)),
    _gauge("kms_keys_expired_active", Part.EXPIRY, "The number of active keys that have expired.", ("key_type",)),
    # Keys that are due for rotation
    _gauge("kms_keys_rotation_due", Part.DUE,
           "The number of keys in rotations_due whose limit is not passed yet, by the most urgent reason.",
           ("key_type", "reason")),
    _gauge("kms_keys_rotation_overdue", Part.DUE,
           "The number of keys whose limit is passed, by the most urgent reason; if a rotation or a retry is open,"
           " whose limit was passed a day ago.",
           ("key_type", "reason")),
    _gauge("kms_key_rotation_overdue", Part.DUE, "1 for a key that kms_keys_rotation_overdue counts.",
           (*KEY_LABELS, "reason"), LISTED),
    # Rotations
    _gauge("kms_rotations_open", Part.ROTATIONS, "The number of open rotations: SCHEDULED and RUNNING.", ("status",)),
    _gauge("kms_rotation_scheduled_oldest_timestamp_seconds", Part.ROTATIONS,
           "The earliest time at which a worker could have begun a SCHEDULED rotation or a retry, if it is past.", (),
           "no rotation waits, or the part failed"),
    _gauge("kms_rotations_recent", Part.ROTATIONS,
           "The number of rotations scheduled in the last 30 UTC days that are COMPLETED or FAILED, as of the last"
           " refresh of the dashboard.", ("status",)),
    _gauge("kms_rotation_duration_average_seconds", Part.ROTATIONS,
           "The average time of a rotation of the last 30 UTC days, as of the last refresh of the dashboard.", (),
           "no rotation has ended, or the part failed"),
    _gauge("kms_rotation_duration_maximum_seconds", Part.ROTATIONS,
           "The longest time of a rotation of the last 30 UTC days, as of the last refresh of the dashboard.", (),
           "no rotation has ended, or the part failed"),
    _gauge("kms_rotation_leases_expired", Part.ROTATIONS, "The number of running rotations whose lease has expired."),
    _gauge("kms_rotation_lease_expiration_timestamp_seconds", Part.ROTATIONS,
           "The earliest of the expired leases.", (), "no lease has expired, or the part failed"),
    _gauge("kms_key_rotation_failures", Part.ROTATIONS,
           "The number of failed attempts to rotate the key since its last completed rotation or new version.",
           KEY_LABELS, LISTED),
    # Use against limits
    _gauge("kms_keys_near_limit", Part.USAGE,
           "The number of active keys whose live version has reached 90 % of its own limit.", ("key_type",)),
    _gauge("kms_key_usage_ratio", Part.USAGE,
           "The use of a live version as a fraction of its own limit, from 0.9 on.", KEY_LABELS, LISTED),
    # Sealing
    _gauge("kms_audit_unsealed_entries", Part.SEALING,
           "The number of entries that no seal covers, counted up to 100000."),
    _gauge("kms_audit_unsealed_oldest_timestamp_seconds", Part.SEALING, "The time of the oldest unsealed entry.", (),
           "every entry is sealed, or the part failed"),
    _gauge("kms_audit_seal_timestamp_seconds", Part.SEALING, "The time of the last seal.", (),
           "nothing is sealed, or the part failed"),
    _gauge("kms_audit_seal_number", Part.SEALING, "The number of the last seal, 0 before the first."),
    # The audit log
    _counter("kms_audit_entries_total", Part.LOG,
             "The highest sequence that the audit log has given: its growth, with gaps of rolled back transactions."),
    _gauge("kms_audit_log_bytes", Part.LOG,
           "The size of the audit log with its indexes; on SQLite that of the database file."),
    _counter("kms_audit_removed_entries_total", Part.LOG, "The number of entries that tombstones allow to remove."),
    _gauge("kms_audit_removal_incomplete", Part.LOG, "1 if entries below the last tombstone are still there."),
    _gauge("kms_audit_oldest_entry_timestamp_seconds", Part.LOG, "The time of the first entry in the log.", (),
           "the log is empty, or the part failed"),
    _gauge("kms_audit_retention_end_timestamp_seconds", Part.LOG,
           "The end of the retention period of the first entry, which holds back the removal of all later ones.", (),
           "the log is empty, or the part failed"),
    # Recorded operations
    _gauge("kms_audit_publication_timestamp_seconds", Part.RECORDS, "The last recorded publication of a checkpoint.",
           (), "no publication is recorded, or the part failed"),
    _gauge("kms_audit_published_seal_number", Part.RECORDS,
           "The number of the seal of the last recorded publication.", (),
           "no publication is recorded, or the part failed"),
    _gauge("kms_audit_cosignature_timestamp_seconds", Part.RECORDS,
           "The last recorded cosignature of a witness.", ("witness",),
           "no cosignature of this witness is recorded, or the part failed"),
    _gauge("kms_validation_timestamp_seconds", Part.RECORDS, "The last recorded validation of a level.", ("level",),
           NOT_VALIDATED),
    _gauge("kms_validation_findings", Part.RECORDS, "The number of findings of the last recorded validation.",
           ("level", "severity"), NOT_VALIDATED),
    _gauge("kms_validation_unchecked", Part.RECORDS,
           "The number of checks that the last recorded validation could not run.", ("level",), NOT_VALIDATED),
    # Security
    _gauge("kms_audit_high_risk_entries", Part.SECURITY,
           "The number of high-risk entries of the last 24 hours, counted up to 100000: level HIGH or CRITICAL, or a"
           " risk score of 70 or more.", ("window", "security_level")),
    _gauge("kms_audit_high_risk_timestamp_seconds", Part.SECURITY, "The last high-risk entry of the last 24 hours.",
           ("security_level",), "there is no such entry, or the part failed"),
    _gauge("kms_anomalies", Part.ANOMALIES, "The number of anomalies of the last 24 hours.", ("rule",)),
    _gauge("kms_anomaly_timestamp_seconds", Part.ANOMALIES,
           "The time of the first entry of the newest anomaly of the last 24 hours.", ("rule",),
           "the rule found no anomaly, or the part failed"),
    # HSMs
    _gauge("kms_hsm_active", Part.HSMS, "1 if the keys of the HSM may be used, 0 if it is disabled.",
           ("hsm", "provider"), "there is no such HSM, or the part failed"),
    _gauge("kms_hsm_health", Part.HSMS,
           "1 for the result of the last health check, 0 for the others; UNKNOWN before the first.",
           ("hsm", "provider", "status"), "there is no such HSM, or the part failed"),
    _gauge("kms_hsm_health_check_timestamp_seconds", Part.HSMS, "The last health check.", ("hsm", "provider"),
           "the HSM was never checked, or the part failed"),
    _gauge("kms_hsm_response_seconds", Part.HSMS, "The response time of the last health check.", ("hsm", "provider"),
           "the last check had no response, or the part failed"),
    _gauge("kms_hsm_provider_operations", Part.HSMS,
           "The counted use of the keys of a provider, as of the last refresh of the dashboard.", ("provider",)),
    # Slow statements
    _gauge("kms_slow_statements", Part.STATEMENTS,
           "The number of statements of this database with an average time over 50 ms, from pg_stat_statements.", (),
           "the part is skipped or failed"),
    _gauge("kms_slowest_statement_average_seconds", Part.STATEMENTS,
           "The longest average time of a statement of this database, from pg_stat_statements.", (),
           "the part is skipped or failed"),
)  # fmt: skip
"""Every metric, in the order of the documentation."""

BY_NAME = MappingProxyType({metric.name: metric for metric in METRICS})
"""The metrics by name."""

WINDOWS = MappingProxyType({"1h": 3600, "24h": 86400})
"""The values of the label `window`, in seconds."""

REASONS = ("time", "age", "usage", "volume", "compliance", "expiry", "incident")
"""The reasons of `rotations_due`."""

COMPLETE_LEVEL = "data"
"""The level of validations that includes the checks of all others."""

SEVERITIES = ("error", "warning", "info")
"""The values of the label `severity` of findings."""

NO_HEALTH = "UNKNOWN"
"""The value of the label `status` of an HSM that was never checked."""

EXPIRY_DAYS = 30
"""Keys that expire within so many days have a series each."""

OPEN_DAYS = 1
"""A key is overdue so many days after its limit, also if a rotation is open: a window opens once a day."""

MOST_SERIES = 500
"""A part exports so many series of single keys at most; `kms_collector_omitted_series` counts the others."""
