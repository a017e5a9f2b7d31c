"""A database at 004 as large as one in use becomes: for a million audit events 100 000 versions of 20 000 keys.

The rows are in order, at 004 and at 005. One statement makes all rows of a kind, so that a million take seconds.
"""

import sqlite3

from support.engines.database import Connection
from support.statements import dialect_of, execute

WRAPPING_KEYS = 10
VERSIONS_EACH = 5
EVENTS_EACH = 50

SPELLED = {
    "postgresql": {
        "numbers": "SELECT n FROM generate_series(1, {count}) AS n",
        "id": "gen_random_uuid()",
        "days_ago": "(now() - ({days}) * interval '1 day')",
        "envelope": (
            "'\\x01'::bytea || sha256(gen_random_uuid()::text::bytea) || substr(sha256(random()::text::bytea), 1, 28)"
        ),
        "checksum": "repeat('a', 64)",
    },
    "sqlite": {
        "numbers": (
            "WITH RECURSIVE numbered (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbered WHERE n < {count}) "
            "SELECT n FROM numbered"
        ),
        "id": "lower(hex(randomblob(16)))",
        "days_ago": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', (-({days})) || ' days')",
        "envelope": "CAST(x'01' || randomblob(60) AS blob)",
        "checksum": f"'{'a' * 64}'",
    },
}

KEYS = """
INSERT INTO key_masters
    (id, key_id, key_type, algorithm, key_size_bits, status, created_at, activated_at, expires_at, parent_key_id)
SELECT {id}, '{type}-' || n, '{type}', 'AES-256', 256, 'active', {created}, {created}, {expires}, {parent}
FROM ({numbers}) AS numbers
"""

VERSIONS = """
INSERT INTO key_versions
    (id, key_id, version_number, encrypted_key_data, key_checksum, encryption_metadata,
     wrapped_by_version_id, wrapping_key_ref, created_at, activated_at, deactivated_at)
SELECT {id}, master.id, n, {envelope}, {checksum},
    '{{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key"}}',
    wrapper.id, CASE WHEN wrapper.id IS NULL THEN 'kms://root' END,
    {begins}, {begins}, CASE WHEN n < {count} THEN {ends} END
FROM ({numbers}) AS numbers
CROSS JOIN key_masters AS master
LEFT JOIN key_masters AS parent ON parent.key_id = master.parent_key_id
LEFT JOIN key_versions AS wrapper ON wrapper.key_id = parent.id
WHERE master.key_type = '{type}'
"""

POLICY = """
INSERT INTO rotation_policies (id, policy_name, key_type, rotation_interval_days) VALUES ({id}, 'yearly', 'dek', 365)
"""

ROTATIONS = """
INSERT INTO key_rotations
    (id, key_id, policy_id, trigger, scheduled_at, started_at, completed_at, old_version, new_version, status)
SELECT {id}, master.id, policy.id, 'scheduled', {begins}, {begins}, {begins}, 1, 2, 'COMPLETED'
FROM key_masters AS master CROSS JOIN rotation_policies AS policy WHERE master.key_type = 'dek'
"""

EVENTS_OF_CLIENTS = """
INSERT INTO key_audit_logs (key_id, event_type, event_category, event_description, security_level, risk_score)
SELECT {key}, 'DECRYPT', 'SECURITY', 'a key was used', CASE WHEN n % 20 = 0 THEN 'HIGH' ELSE 'LOW' END, n % 100
FROM ({numbers}) AS numbers
"""

# Columns that the guard trigger sets are given, as in a restore, and the trigger is disabled: it takes longer than the
# row. The ids ascend, as those of the database do.
EVENTS_RESTORED = """
INSERT INTO key_audit_logs
    (id, sequence, "timestamp", recorded_by,
     key_id, event_type, event_category, event_description, security_level, risk_score)
SELECT lpad(to_hex(n), 32, '0')::uuid, nextval('key_audit_logs_sequence_seq'),
    now() - n * interval '1 second', 'volume',
    keys.ids[n % cardinality(keys.ids) + 1], 'DECRYPT', 'SECURITY', 'a key was used',
    CASE WHEN n % 20 = 0 THEN 'HIGH' ELSE 'LOW' END, n % 100
FROM ({numbers}) AS numbers, (SELECT array_agg(id) AS ids FROM key_masters) AS keys
"""
SQLITE_SHARE = 20
"""How many times less the large database has on SQLite, which is not for a million events and many writers."""


def fill(connection: Connection, *, events: int, keys: int | None = None) -> None:
    """Fill a database at 004 with events, and keys `dek-1`, … with their versions and a rotation each."""
    keys = keys or events // EVENTS_EACH
    spelled = SPELLED[dialect_of(connection)]
    _keys(connection, spelled, "kek", WRAPPING_KEYS, parent="NULL")
    _versions(connection, spelled, "kek", 1)
    _keys(connection, spelled, "dek", keys, parent=f"'kek-' || (n % {WRAPPING_KEYS} + 1)")
    _versions(connection, spelled, "dek", VERSIONS_EACH)
    execute(connection, POLICY.format(id=spelled["id"]))
    execute(connection, ROTATIONS.format(id=spelled["id"], begins=spelled["days_ago"].format(days=28)))
    numbers = spelled["numbers"].format(count=events)
    if isinstance(connection, sqlite3.Connection):
        key = f"(SELECT id FROM key_masters WHERE key_id = 'dek-' || (n % {keys} + 1))"  # noqa: S608
        execute(connection, EVENTS_OF_CLIENTS.format(numbers=numbers, key=key))
        return  # with no statistics, which are a table of the file's catalog there
    with connection.transaction():
        execute(connection, "ALTER TABLE key_audit_logs DISABLE TRIGGER ALL")
        execute(connection, EVENTS_RESTORED.format(numbers=numbers))
        execute(connection, "ALTER TABLE key_audit_logs ENABLE TRIGGER ALL")
        for trigger in (
            "guard_key_audit_log_insert",
            "guard_key_audit_log_insert_event",
            "guard_key_audit_log_insert_values",
            "prevent_key_audit_log_update",
            "prevent_key_audit_log_delete",
            "prevent_key_audit_log_delete_truncate",
        ):
            execute(connection, f"ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER {trigger}")
    execute(connection, "VACUUM ANALYZE")


def _keys(connection: Connection, spelled: dict[str, str], key_type: str, count: int, parent: str) -> None:
    statement = KEYS.format(
        id=spelled["id"],
        type=key_type,
        created=spelled["days_ago"].format(days=30),
        expires=spelled["days_ago"].format(days="-1 - n % 400"),
        parent=parent,
        numbers=spelled["numbers"].format(count=count),
    )
    execute(connection, statement)


def _versions(connection: Connection, spelled: dict[str, str], key_type: str, count: int) -> None:
    statement = VERSIONS.format(
        id=spelled["id"],
        type=key_type,
        envelope=spelled["envelope"],
        checksum=spelled["checksum"],
        begins=spelled["days_ago"].format(days="30 - n"),
        ends=spelled["days_ago"].format(days="29 - n"),
        count=count,
        numbers=spelled["numbers"].format(count=count),
    )
    execute(connection, statement)
