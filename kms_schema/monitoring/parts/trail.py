"""The audit log: what is sealed, its size, recorded publications and validations, and high-risk entries."""

import datetime as dt
from collections import Counter

from kms_schema.audit.anomalies.finding import find_anomalies
from kms_schema.audit.anomalies.rules import RULES
from kms_schema.monitoring.names import COMPLETE_LEVEL, SEVERITIES, WINDOWS
from kms_schema.monitoring.reader import Reader, seconds, time_of
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.vocabulary import AuditSecurityLevel, RecordedOperation

MOST_COUNTED = 100_000
"""Entries are counted up to this number: a scrape must not read a log that is not sealed."""

_LAST_SEAL = "SELECT seal_number, sealed_at FROM {s}.key_audit_seals ORDER BY seal_number DESC LIMIT 1"
_UNSEALED = f"""SELECT count(*), min(written_at)
FROM (SELECT "timestamp" AS written_at FROM {{s}}.key_audit_unsealed LIMIT {MOST_COUNTED}) AS entry"""


def sealing(reader: Reader) -> Read:
    """Count the unsealed entries, and show the last seal."""
    [(unsealed, oldest)] = reader.rows(_UNSEALED)
    number, sealed_at = reader.row(_LAST_SEAL) or (0, None)
    samples = [Sample("kms_audit_unsealed_entries", unsealed), Sample("kms_audit_seal_number", number)]
    if oldest is not None:
        samples.append(Sample("kms_audit_unsealed_oldest_timestamp_seconds", seconds(oldest)))
    if sealed_at is not None:
        samples.append(Sample("kms_audit_seal_timestamp_seconds", seconds(sealed_at)))
    return Read(samples)


_LAST_ENTRY = """SELECT coalesce(max(sequence), 0), coalesce((
    SELECT last_sequence FROM {s}.key_audit_seals ORDER BY seal_number DESC LIMIT 1
), 0) FROM {s}.key_audit_logs"""
_FIRST_ENTRY = """SELECT "timestamp", retention_period_days FROM {s}.key_audit_logs ORDER BY sequence LIMIT 1"""
_SIZE = "SELECT pg_catalog.pg_total_relation_size(%(table)s::text::pg_catalog.regclass)"
_SIZE_ON_SQLITE = "SELECT pages.page_count * size.page_size FROM pragma_page_count AS pages, pragma_page_size AS size"
_TOMBSTONE = "SELECT leaf_count FROM {s}.key_audit_tombstones ORDER BY seal_number DESC LIMIT 1"
# As `RetentionPeriods.first_left`: entries below the last sequence that were sealed later stay.
_LEFT = """SELECT entry.sequence
FROM {s}.key_audit_logs AS entry
WHERE
    entry.sequence <= (SELECT last_sequence FROM {s}.key_audit_tombstones ORDER BY seal_number DESC LIMIT 1)
    AND (
        SELECT page.first_leaf < %(leaf_count)s AND entry.sequence < page.first_sequence + length(page.hashes) / 32
        FROM {s}.key_audit_leaves AS page
        WHERE page.first_sequence <= entry.sequence ORDER BY page.first_sequence DESC LIMIT 1
    )
ORDER BY entry.sequence LIMIT 1"""


def log(reader: Reader) -> Read:
    """Show the size and the growth of the log, and the entry that holds back retention."""
    [(last, sealed)] = reader.rows(_LAST_ENTRY)
    if reader.on_sqlite:
        [(size,)] = reader.rows(_SIZE_ON_SQLITE)
    else:
        [(size,)] = reader.rows(_SIZE, table=f"{reader.schema}.key_audit_logs")
    (removed,) = reader.row(_TOMBSTONE) or (0,)
    left = bool(removed) and reader.row(_LEFT, leaf_count=removed) is not None
    samples = [
        Sample("kms_audit_entries_total", max(last, sealed)),
        Sample("kms_audit_log_bytes", size),
        Sample("kms_audit_removed_entries_total", removed),
        Sample("kms_audit_removal_incomplete", int(left)),
    ]
    first = reader.row(_FIRST_ENTRY)
    if first is not None:
        written = time_of(first[0])
        samples.append(Sample("kms_audit_oldest_entry_timestamp_seconds", seconds(written)))
        ends = seconds(written) + first[1] * 86400
        samples.append(Sample("kms_audit_retention_end_timestamp_seconds", ends))
    return Read(samples)


_NEWEST = """WITH RECURSIVE subjects (subject) AS (
    SELECT min(subject) FROM {s}.key_operation_records WHERE operation = %(operation)s
    UNION ALL
    SELECT (
        SELECT min(later.subject) FROM {s}.key_operation_records AS later
        WHERE later.operation = %(operation)s AND later.subject > subjects.subject
    ) FROM subjects WHERE subjects.subject IS NOT NULL
)
SELECT record.subject, record.recorded_at, record.seal_number, record.errors, record.warnings, record.infos,
    record.unchecked
FROM subjects
INNER JOIN {s}.key_operation_records AS record ON record.subject = subjects.subject
WHERE record.operation = %(operation)s AND record.recorded_at = (
    SELECT max(newest.recorded_at) FROM {s}.key_operation_records AS newest
    WHERE newest.operation = %(operation)s AND newest.subject = subjects.subject AND newest.recorded_at <= %(latest)s
)
LIMIT 100"""
"""The newest record of each subject: two look-ups in the primary key for each, whatever the number of records.

A record from the future, of a clock that was wrong, would be the newest until then.
"""
CLOCK_MINUTES = 5
"""A record may be so much newer than the snapshot: its transaction began after that of the scrape."""


def records(reader: Reader) -> Read:
    """Show the last recorded publication, cosignatures and validation."""
    latest = reader.now + dt.timedelta(minutes=CLOCK_MINUTES)
    published, cosigned, validated = (
        reader.rows(_NEWEST, operation=str(operation), latest=latest)
        for operation in (
            RecordedOperation.PUBLICATION, RecordedOperation.COSIGNATURE, RecordedOperation.VALIDATION,
        )
    )  # fmt: skip
    samples = [Sample("kms_audit_cosignature_timestamp_seconds", seconds(row[1]), (row[0],)) for row in cosigned]
    if published:
        last = max(published, key=lambda row: time_of(row[1]))
        samples.append(Sample("kms_audit_publication_timestamp_seconds", seconds(last[1])))
        samples.append(Sample("kms_audit_published_seal_number", last[2]))
    # A validation of the catalog alone finds no errors of rows: it says nothing about those that were found.
    complete = max((time_of(row[1]) for row in validated if row[0] == COMPLETE_LEVEL), default=None)
    for level, at, _, *counts, unchecked in validated:
        if complete is not None and time_of(at) < complete:
            continue
        samples.append(Sample("kms_validation_timestamp_seconds", seconds(at), (level,)))
        samples.append(Sample("kms_validation_unchecked", unchecked, (level,)))
        for severity, count in zip(SEVERITIES, counts, strict=True):
            samples.append(Sample("kms_validation_findings", count, (level, severity)))
    return Read(samples)


# An entry shows when its transaction ends, which may be more than an hour after its time: it counts in the hour after
# it was sealed, too. One that no seal covers is in no page of leaves. While the seals have no open gap, all
# entries before the pages of that hour were sealed earlier. Where nothing is sealed, only the time counts.
_HIGH_RISK = """WITH sealed AS MATERIALIZED (
    SELECT coalesce((
        SELECT seal.tree_size FROM {s}.key_audit_seals AS seal
        WHERE seal.sealed_at <= %(hour)s ORDER BY seal.seal_number DESC LIMIT 1
    ), 0) AS leaf_count
),
late AS MATERIALIZED (
    SELECT CASE WHEN CAST(newest.open_gaps AS text) <> '[]' THEN 0 ELSE coalesce((
        SELECT min(page.first_sequence) FROM {s}.key_audit_leaves AS page
        WHERE page.first_leaf >= (SELECT sealed.leaf_count FROM sealed)
    ), newest.last_sequence + 1) END AS first_sequence
    FROM {s}.key_audit_seals AS newest ORDER BY newest.seal_number DESC LIMIT 1
)
SELECT security_level, sum(CASE
        WHEN written_at >= %(hour)s THEN 1
        WHEN sequence < (SELECT late.first_sequence FROM late) THEN 0
        ELSE coalesce((
            SELECT CASE
                WHEN entry.sequence < page.first_sequence + length(page.hashes) / 32
                    AND page.first_leaf < (SELECT sealed.leaf_count FROM sealed) THEN 0
                ELSE 1
            END
            FROM {s}.key_audit_leaves AS page
            WHERE page.first_sequence <= entry.sequence ORDER BY page.first_sequence DESC LIMIT 1
        ), 0)
    END), count(*), max(written_at)
FROM ({levels}) AS entry GROUP BY security_level"""
_OF_A_LEVEL = """SELECT * FROM (
    SELECT security_level, sequence, "timestamp" AS written_at FROM {s}.key_audit_logs
    WHERE "timestamp" >= %(day)s AND (risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL'))
        AND security_level = '{level}'
    ORDER BY "timestamp" DESC LIMIT {most}
) AS {level}"""
"""Each level has a limit of its own: many entries of one level must not hide one of another."""


def security(reader: Reader) -> Read:
    """Count the high-risk entries of the last hour and the last 24 hours."""
    hour, day = (reader.now - dt.timedelta(seconds=WINDOWS[window]) for window in ("1h", "24h"))
    each = _OF_A_LEVEL.replace("{most}", str(MOST_COUNTED))
    levels = "\nUNION ALL\n".join(each.replace("{level}", level) for level in AuditSecurityLevel)
    rows = reader.rows(_HIGH_RISK.replace("{levels}", levels), hour=hour, day=day)
    counts = {row[0]: row[1:] for row in rows}
    samples = [
        Sample("kms_audit_high_risk_entries", int(counts.get(level, (0, 0))[place]), (window, level))
        for level in AuditSecurityLevel
        for place, window in enumerate(("1h", "24h"))
    ]
    samples += [Sample("kms_audit_high_risk_timestamp_seconds", seconds(row[3]), (row[0],)) for row in rows]
    return Read(samples)


def anomalies(reader: Reader) -> Read:
    """Count the anomalies of the last 24 hours by rule, and show when the newest began."""
    found = find_anomalies(reader.connection, reader.now - dt.timedelta(days=1), schema=reader.name)
    counts = Counter(each.rule for each in found)
    newest = {each.rule: seconds(each.first_at) for each in sorted(found, key=lambda each: each.first_at)}
    samples = [Sample("kms_anomalies", counts[rule], (rule,)) for rule in RULES]
    return Read(samples + [Sample("kms_anomaly_timestamp_seconds", at, (rule,)) for rule, at in newest.items()])
