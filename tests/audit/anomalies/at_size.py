"""Processor seconds that anomalies take over a large log: `python -m tests.audit.anomalies.at_size ENTRIES [ENGINE]`.

A year of entries about 100,000 keys, made in the database: thirty logins, of which each uses its own keys; a few keys
have most of the uses; an entry in fifty is a recorded change.
"""

import datetime as dt
import os
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg

from kms_schema.audit.anomalies.finding import find_anomalies
from kms_schema.audit.anomalies.rules import RULES
from support.engines import Engines
from support.engines.database import Connection
from support.statements import dialect_of
from tests.audit.anomalies.loading import without_triggers
from tests.audit.anomalies.scans import scanning

KEYS = 100_000
DAYS = 365
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

_POSTGRESQL = """
INSERT INTO key_masters (id, key_id, key_type, algorithm, key_size_bits, status, created_at, activated_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'key-' || n, 'dek', 'AES-256-GCM', 256, 'active', '2024-01-01Z', '2024-01-01Z'
FROM generate_series(1, {keys}) AS n;
INSERT INTO key_versions (id, key_id, version_number, encrypted_key_data, key_checksum, encryption_metadata,
    wrapping_key_ref, created_at, activated_at, ciphertext_tag)
SELECT master.id, master.id, 1, decode('01' || repeat('aa', 60), 'hex'), repeat('a', 64),
    '{{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "x"}}', 'kms://root', '2024-01-01Z', '2024-01-01Z',
    row_number() OVER ()
FROM key_masters AS master;
INSERT INTO key_audit_logs (id, sequence, key_id, event_type, event_category, event_description, "timestamp",
    security_level, retention_period_days, recorded_by, additional_metadata)
SELECT ('e' || lpad(to_hex(n), 31, '0'))::uuid, n + 1, lpad(to_hex(key), 32, '0')::uuid,
    CASE WHEN n % 50 = 0 THEN 'KEY_CHANGED' ELSE 'KEY_USED' END, 'LIFECYCLE',
    CASE WHEN n % 50 = 0 THEN 'key changed: x' ELSE 'key used: x' END,
    '{now}'::timestamptz - make_interval(secs => {days} * 86400.0 * (1 - n::float / {entries})),
    CASE WHEN n % 50 = 0 THEN 'MEDIUM' ELSE 'LOW' END, 2555,
    CASE WHEN n % 50 = 0 THEN 'console' ELSE 'svc_' || key % 30 END,
    CASE WHEN n % 50 = 0 THEN jsonb_build_object('id', lpad(to_hex(key), 32, '0')::uuid, 'changed', '[]'::jsonb)
    ELSE jsonb_build_object('version', 1, 'encryptions', n % 700, 'decryptions', n % 300, 'bytes', 1, 'process', 'h:1')
    END
FROM (
    SELECT n, 1 + floor({keys} * power(abs(hashint8(n)) / 2147483648.0, 4))::bigint AS key
    FROM generate_series(1::bigint, {entries}) AS n
) AS made;
"""
_SQLITE = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {keys})
INSERT INTO key_masters (id, key_id, key_type, algorithm, key_size_bits, status, created_at, activated_at)
SELECT printf('%032x', n), 'key-' || n, 'dek', 'AES-256-GCM', 256, 'active', '2024-01-01T00:00:00.000000Z',
    '2024-01-01T00:00:00.000000Z' FROM numbers;
INSERT INTO key_versions (id, key_id, version_number, encrypted_key_data, key_checksum, encryption_metadata,
    wrapping_key_ref, created_at, activated_at, ciphertext_tag)
SELECT id, id, 1, x'01' || zeroblob(60), 'a', '{{}}', 'kms://root', created_at, created_at, substr(key_id, 5)
FROM key_masters;
WITH RECURSIVE numbers (n, key) AS (
    SELECT 1, 1 UNION ALL SELECT n + 1, 1 + CAST({keys} * pow(abs(random() % 1000000) / 1000000.0, 4) AS INTEGER)
    FROM numbers WHERE n < {entries}
)
INSERT INTO key_audit_logs (id, sequence, key_id, event_type, event_category, event_description, "timestamp",
    security_level, retention_period_days, recorded_by, additional_metadata)
SELECT 'e' || printf('%031x', n), n + 1, printf('%032x', key),
    CASE WHEN n % 50 = 0 THEN 'KEY_CHANGED' ELSE 'KEY_USED' END, 'LIFECYCLE',
    CASE WHEN n % 50 = 0 THEN 'key changed: x' ELSE 'key used: x' END,
    strftime('%Y-%m-%dT%H:%M:%f', julianday('{now}') - {days} * (1 - 1.0 * n / {entries})) || '000Z',
    CASE WHEN n % 50 = 0 THEN 'MEDIUM' ELSE 'LOW' END, 2555,
    CASE WHEN n % 50 = 0 THEN 'console' ELSE 'svc_' || key % 30 END,
    CASE WHEN n % 50 = 0 THEN json_object('id', printf('%032x', key), 'changed', json_array())
    ELSE json_object('version', 1, 'encryptions', n % 700, 'decryptions', n % 300, 'bytes', 1, 'process', 'h:1') END
FROM numbers;
"""
_TABLES = ("key_masters", "key_versions", "key_audit_logs")


def fill(connection: Connection, entries: int, keys: int = KEYS) -> None:
    """Add keys and entries; the triggers of their tables are gone afterwards."""
    for table in _TABLES:
        without_triggers(connection, table)
    now = NOW.strftime("%Y-%m-%d %H:%M:%S")
    given = {"entries": entries, "keys": keys, "days": DAYS}
    if dialect_of(connection) == "sqlite":
        script = _SQLITE.format(now=now, **given)
        connection.executescript(f"PRAGMA ignore_check_constraints = on; BEGIN; {script}; COMMIT; ANALYZE")  # type: ignore[union-attr]
    else:
        connection.execute(_POSTGRESQL.format(now=f"{now}Z", **given).encode())
        connection.execute("VACUUM ANALYZE")


def processor_seconds(connection: Connection) -> float:
    """Return the processor seconds that this process and the server's for the connection have used."""
    used = time.process_time()
    if isinstance(connection, psycopg.Connection):
        stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        used += (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    return used


def main(entries: int, name: str) -> None:
    """Print the processor seconds of each rule for a day and a week, and the queries that read the whole log."""
    with closing(Engines()) as engines:
        database = engines[name].create(engines.migrated(name, "template"))
        with closing(database.connect()) as connection:
            fill(connection, entries)
            print(*scanning(connection, NOW - dt.timedelta(days=1), NOW), sep="\n")
            if isinstance(connection, psycopg.Connection):
                connection.execute("SET max_parallel_workers_per_gather = 0")
            for days in (1, 7):
                for rule in RULES:
                    begun = processor_seconds(connection)
                    found = find_anomalies(connection, NOW - dt.timedelta(days=days), until=NOW, only=(rule,))
                    seconds = processor_seconds(connection) - begun
                    print(f"{name}, {entries} entries, {days} days, {rule}: {seconds:.2f} s, {len(found)} found")
        engines[name].drop(database)


if __name__ == "__main__":
    main(int(sys.argv[1]), *(sys.argv[2:] or ["postgresql-18"]))
