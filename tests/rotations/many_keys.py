"""A database of many keys of which few are due, made in a statement for each table, past the triggers."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from support.engines.database import Connection
from support.statements import dialect_of, execute

DUE = 40
"""For each of four reasons a fourth."""

_SPELLED = {
    "postgresql": {
        "numbers": "SELECT n FROM generate_series(1, {count}) AS n",
        "id": "lpad(to_hex(n), 32, '0')::uuid",
        "version": "lpad(to_hex(n), 31, '0')",
        "as_id": "::uuid",
        "ago": "now() - ({days}) * interval '1 day'",
        "blob": "'\\x01'::bytea || decode(repeat('00', 60), 'hex')",
    },
    "sqlite": {
        "numbers": (
            "WITH RECURSIVE numbered (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbered WHERE n < {count})"
            " SELECT n FROM numbered"
        ),
        "id": "printf('%032x', n)",
        "version": "printf('%031x', n)",
        "as_id": "",
        "ago": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', -({days}) || ' days')",
        "blob": "CAST(x'01' || zeroblob(60) AS blob)",
    },
}

POLICIES = """
INSERT INTO rotation_policies
    (policy_name, key_type, rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb)
VALUES ('dek', 'dek', 365, 400, 1000000, 100000), ('kek', 'kek', 30, 30, 1000, 1)
"""
# Versions that ended before 005 have no index bounds; all live versions have.
# A third of the keys was never rotated, every second expires some day, and use is spread evenly below the limit.
KEYS = """
INSERT INTO key_masters
    (id, key_id, key_type, algorithm, key_size_bits, status, created_at, activated_at, rotated_at, expires_at)
SELECT {id}, 'dek-' || n, 'dek', 'AES-256', 256, 'active', {created}, {activated},
    CASE WHEN n <= {due} / 4 THEN {overdue} WHEN n % 3 > 0 THEN {rotated} END,
    CASE WHEN n % 2 = 0 THEN {expires} END
FROM ({numbers}) AS numbers
"""
VERSIONS = """
INSERT INTO key_versions
    (id, key_id, version_number, encrypted_key_data, key_checksum, encryption_metadata, wrapping_key_ref,
     ciphertext_tag, created_at, activated_at, deactivated_at, usage_count, data_volume_bytes, key_type,
     usage_index_bound, volume_index_bound)
SELECT
    ({version} || number){as_id}, {id}, number, {blob}, '{checksum}',
    '{{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key"}}', 'kms://root', n * 2 + number, {created},
    CASE number WHEN 1 THEN {activated} ELSE {rotated} END, CASE number WHEN 1 THEN {rotated} END,
    CASE WHEN number = 2 AND n > {due} / 4 AND n <= {due} / 2 THEN 1000000 ELSE n * 7919 % 999000 END,
    CASE WHEN number = 2 AND n > {due} / 2 AND n <= {due} * 3 / 4 THEN 104857600000 ELSE n * 7919 % 999000 END,
    CASE number WHEN 2 THEN 'dek' END,
    CASE WHEN number = 1 THEN NULL WHEN n > {due} / 4 AND n <= {due} / 2 THEN 1048575 ELSE 999999 END,
    CASE WHEN number = 1 THEN NULL WHEN n > {due} / 2 AND n <= {due} * 3 / 4 THEN 137438953471 ELSE 1048575 END
FROM ({numbers}) AS numbers CROSS JOIN (SELECT 1 AS number UNION ALL SELECT 2) AS versions
"""
ROTATIONS = """
INSERT INTO key_rotations
    (key_id, trigger, scheduled_at, started_at, completed_at, failed_at, old_version, status, retry_count)
SELECT {id}, 'scheduled', {rotated}, {rotated}, CASE WHEN number = 1 THEN {rotated} END,
    CASE WHEN number = 2 THEN {rotated} END, 1, CASE number WHEN 1 THEN 'COMPLETED' ELSE 'FAILED' END,
    CASE number WHEN 1 THEN 0 ELSE 3 END
FROM ({numbers}) AS numbers CROSS JOIN (SELECT 1 AS number UNION ALL SELECT 2) AS outcomes
"""
CAUSES = """
INSERT INTO key_rotation_causes (key_id, sequence, reason, occurred_at)
SELECT {id}, n, 'incident', {now} FROM ({numbers}) AS numbers WHERE n > {due} * 3 / 4
"""


TABLES = ("key_masters", "key_versions", "key_rotations", "rotation_policies", "key_rotation_causes")


def fill(connection: Connection, keys: int) -> None:
    """Fill a database at head with keys of which `DUE` are due."""
    spelled = _SPELLED[dialect_of(connection)]
    ago = spelled["ago"]
    values = {
        **{name: spelled[name] for name in ("id", "version", "as_id", "blob")},
        "due": DUE,
        "checksum": "a" * 64,
        "created": ago.format(days="800 + n / 1000.0"),
        "activated": ago.format(days="200 + n % 100"),
        "rotated": ago.format(days="n % 199"),
        "overdue": ago.format(days="366"),
        "expires": ago.format(days="-2 - n % 400"),
        "now": ago.format(days="0"),
    }
    with _without_triggers(connection):
        execute(connection, POLICIES)
        for statement, count in ((KEYS, keys), (VERSIONS, keys), (ROTATIONS, keys), (CAUSES, DUE)):
            execute(connection, statement.format(numbers=spelled["numbers"].format(count=count), **values))
    execute(connection, "VACUUM ANALYZE" if dialect_of(connection) == "postgresql" else "ANALYZE")


@contextmanager
def _without_triggers(connection: Connection) -> Iterator[None]:
    """Take the triggers away for as long as rows are made that follow their rules, which takes longer than the rows."""
    if dialect_of(connection) == "sqlite":
        triggers = execute(connection, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        undo = [sql for _, sql in triggers]
        for name, _ in triggers:
            execute(connection, f"DROP TRIGGER {name}")
        execute(connection, "PRAGMA ignore_check_constraints = ON")
        undo.append("PRAGMA ignore_check_constraints = OFF")
    else:
        query = (
            "SELECT tgrelid::regclass || ' ENABLE ALWAYS TRIGGER ' || tgname FROM pg_trigger"  # noqa: S608
            f" WHERE NOT tgisinternal AND tgrelid::regclass::text IN ({', '.join(map(repr, TABLES))})"
        )
        undo = [f"ALTER TABLE {each}" for (each,) in execute(connection, query).fetchall()]
        for table in TABLES:
            execute(connection, f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            undo.insert(0, f"ALTER TABLE {table} ENABLE TRIGGER ALL")
    yield
    for statement in undo:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(statement)
        else:
            connection.execute(statement.encode())
