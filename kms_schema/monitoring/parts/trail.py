"""The audit log: what is sealed, its size, recorded publications and validations, and high-risk entries."""

import datetime as dt
from collections import Counter
from typing import Any, NamedTuple

from kms_schema.audit.anomalies.finding import find_anomalies
from kms_schema.audit.anomalies.rules import RULES
from kms_schema.monitoring.names import COMPLETE_LEVEL, SEVERITIES, WINDOWS
from kms_schema.monitoring.reader import Reader, seconds
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.reading.times import time_of
from kms_schema.vocabulary import AuditSecurityLevel, RecordedOperation

MOST_COUNTED = 100_000
"""Entries are counted up to this number: a scrape must not read a log that is not sealed."""


def sealing(reader: Reader) -> Read:
    """Count the unsealed entries, and show the last seal."""
    [(unsealed, oldest)] = reader.rows("unsealed", {"most": MOST_COUNTED})
    number, sealed_at = reader.row("last_seal") or (0, None)
    samples = [Sample("kms_audit_unsealed_entries", unsealed), Sample("kms_audit_seal_number", number)]
    if oldest is not None:
        samples.append(Sample("kms_audit_unsealed_oldest_timestamp_seconds", seconds(oldest)))
    if sealed_at is not None:
        samples.append(Sample("kms_audit_seal_timestamp_seconds", seconds(sealed_at)))
    return Read(samples)


def log(reader: Reader) -> Read:
    """Show the size and the growth of the log, and the entry that holds back retention."""
    [(last, sealed)] = reader.rows("last_entry")
    [(size,)] = reader.rows("log_size", table=reader.table("key_audit_logs"))
    (removed,) = reader.row("last_tombstone") or (0,)
    left = bool(removed) and reader.row("left_entry", leaf_count=removed) is not None
    samples = [
        Sample("kms_audit_entries_total", max(last, sealed)),
        Sample("kms_audit_log_bytes", size),
        Sample("kms_audit_removed_entries_total", removed),
        Sample("kms_audit_removal_incomplete", int(left)),
    ]
    first = reader.row("first_entry")
    if first is not None:
        written = time_of(first[0])
        samples.append(Sample("kms_audit_oldest_entry_timestamp_seconds", seconds(written)))
        ends = seconds(written) + first[1] * 86400
        samples.append(Sample("kms_audit_retention_end_timestamp_seconds", ends))
    return Read(samples)


CLOCK_MINUTES = 5
"""A record may be so much newer than the snapshot: its transaction began after that of the scrape."""


class Record(NamedTuple):
    """The newest record of an operation about a subject."""

    subject: str
    recorded_at: Any
    seal_number: int
    """Of a publication; the counts are of a validation."""
    errors: int
    warnings: int
    infos: int
    unchecked: int


def records(reader: Reader) -> Read:
    """Show the last recorded publication, cosignatures and validation."""
    latest = reader.now + dt.timedelta(minutes=CLOCK_MINUTES)
    published, cosigned, validated = (
        reader.read(Record, "newest_records", operation=str(operation), latest=latest)
        for operation in (
            RecordedOperation.PUBLICATION, RecordedOperation.COSIGNATURE, RecordedOperation.VALIDATION,
        )
    )  # fmt: skip
    samples = [
        Sample("kms_audit_cosignature_timestamp_seconds", seconds(row.recorded_at), (row.subject,)) for row in cosigned
    ]
    if published:
        last = max(published, key=lambda row: time_of(row.recorded_at))
        samples.append(Sample("kms_audit_publication_timestamp_seconds", seconds(last.recorded_at)))
        samples.append(Sample("kms_audit_published_seal_number", last.seal_number))
    # A validation of the catalog alone finds no errors of rows: it says nothing about those that were found.
    complete = max((time_of(row.recorded_at) for row in validated if row.subject == COMPLETE_LEVEL), default=None)
    for level, at, _, *counts, unchecked in validated:
        if complete is not None and time_of(at) < complete:
            continue
        samples.append(Sample("kms_validation_timestamp_seconds", seconds(at), (level,)))
        samples.append(Sample("kms_validation_unchecked", unchecked, (level,)))
        for severity, count in zip(SEVERITIES, counts, strict=True):
            samples.append(Sample("kms_validation_findings", count, (level, severity)))
    return Read(samples)


def security(reader: Reader) -> Read:
    """Count the high-risk entries of the last hour and the last 24 hours."""
    hour, day = (reader.now - dt.timedelta(seconds=WINDOWS[window]) for window in ("1h", "24h"))
    levels = (reader.text("high_risk_of_level", level=level, most=MOST_COUNTED) for level in AuditSecurityLevel)
    rows = reader.rows("high_risk", {"levels": "\nUNION ALL\n".join(levels)}, hour=hour, day=day)
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
