"""Monitoring: the state of a database from one snapshot, its metrics, and checks for Nagios and Icinga.

    with psycopg.connect(url, autocommit=True) as connection:
        snapshot = take_snapshot(connection)
    print(snapshot.value("kms_audit_unsealed_entries"))

`kms_schema.monitoring.exposition` writes snapshots for Prometheus (the extra `metrics`). See the page "monitoring" of
the documentation.
"""

from kms_schema.monitoring.collecting import nothing_read, take_snapshot
from kms_schema.monitoring.names import METRICS, Kind, Metric, Part
from kms_schema.monitoring.samples import PartResult, Sample, Snapshot

__all__ = ["METRICS", "Kind", "Metric", "Part", "PartResult", "Sample", "Snapshot", "nothing_read", "take_snapshot"]
