"""A database in use: keys with fifteen versions and five rotations each, and ten audit entries a key over 90 days.

Made by one statement a table, with triggers off: what they would fill in is given. The same rows each time, on both
engines; ids count up, as the database's own do.
"""

import datetime as dt
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from support.engines.database import Connection
from support.statements import dialect_of, execute

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
"""The time of the newest rows."""
VERSIONS = 15
ROTATIONS = 5
EVENTS_A_KEY = 10
HOT_KEY = 42
DAYS = 365

SPELLED = {
    "postgresql": {
        "id": "lpad(to_hex({number}), 32, '0')::uuid",
        "numbers": "generate_series(1, {count}) AS {name}",
        "ago": "(timestamptz '2026-07-01 00:00Z' - ({seconds}) * interval '1 second')",
        "envelope": "'\\x01'::bytea || sha256(int8send(n)) || substr(sha256(int8send(n)), 1, 28)",
    },
    "sqlite": {
        "id": "printf('%032x', {number})",
        "numbers": (
            "(WITH RECURSIVE counted ({name}) AS (SELECT 1 UNION ALL SELECT {name} + 1 FROM counted WHERE {name} <"
            " {count}) SELECT {name} FROM counted) AS {name}"
        ),
        "ago": "strftime('%Y-%m-%dT%H:%M:%f000Z', '2026-07-01', (-({seconds})) || ' seconds')",
        "envelope": "CAST(x'01' || randomblob(60) AS blob)",
    },
}

# Eight keys are made at a time, as by an import: pages have to tell keys of one instant apart. One of a thousand is a
# key-encryption key, one of a hundred is kept by an HSM.
KEYS = """INSERT INTO key_masters (id, key_id, key_type, algorithm, key_size_bits, status, created_at, activated_at,
    rotated_at, expires_at, expired_at, revoked_at, archived_at, parent_key_id, hsm_provider, hsm_key_id)
SELECT {id}, 'key-' || n, CASE WHEN n % 1000 = 1 THEN 'kek' WHEN n % 100 = 50 THEN 'hsm' WHEN n % 4 = 0 THEN 'tls'
    WHEN n % 10 = 3 THEN 'backup' ELSE 'dek' END, 'AES-256', 256, status, {created},
    CASE WHEN status <> 'pending' THEN {created} END, CASE WHEN status <> 'pending' THEN {rotated} END,
    CASE WHEN n % 5 = 0 THEN {expires} END, CASE WHEN status = 'expired' THEN {rotated} END,
    CASE WHEN status = 'revoked' THEN {rotated} END, CASE WHEN status = 'archived' THEN {rotated} END,
    CASE WHEN n % 1000 <> 1 THEN 'key-' || (n - (n - 1) % 1000) END,
    CASE WHEN n % 100 = 50 THEN 'thales_luna' END, CASE WHEN n % 100 = 50 THEN 'slot-' || n END
FROM (
    SELECT n, CASE WHEN n % 1000 = 1 THEN 'active' WHEN n % 50 = 7 THEN 'pending' WHEN n % 50 = 8 THEN 'revoked'
        WHEN n % 50 = 9 THEN 'expired' WHEN n % 10 = 6 THEN 'archived' ELSE 'active' END AS status
    FROM {numbers}
) AS made"""

VERSIONS_OF_KEYS = """INSERT INTO key_versions (id, key_id, version_number, encrypted_key_data, key_checksum,
    encryption_metadata, wrapped_by_version_id, wrapping_key_ref, ciphertext_tag, created_at, activated_at,
    deactivated_at)
SELECT {id}, {key}, v, {envelope}, '{checksum}',
    '{{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key"}}',
    CASE WHEN n % 1000 <> 1 THEN {wrapper} END, CASE WHEN n % 1000 = 1 THEN 'kms://root' END, n * 100 + v,
    {begins}, {begins}, CASE WHEN v < {versions} OR n % 50 IN (7, 8, 9) OR n % 10 = 6 THEN {ends} END
FROM {numbers}, {each}"""

POLICY = """INSERT INTO rotation_policies (id, policy_name, key_type, rotation_interval_days)
VALUES ({id}, 'yearly', 'dek', 365)"""

# The fifth rotation of one key of a hundred is still to come, and one of a hundred failed.
ROTATIONS_OF_KEYS = """INSERT INTO key_rotations (id, key_id, policy_id, "trigger", scheduled_at, started_at,
    completed_at, failed_at, old_version, new_version, status, error_message)
SELECT {id}, {key}, {policy}, 'scheduled', {begins}, CASE WHEN status <> 'SCHEDULED' THEN {begins} END,
    CASE WHEN status = 'COMPLETED' THEN {begins} END, CASE WHEN status = 'FAILED' THEN {begins} END,
    CASE WHEN status = 'COMPLETED' THEN v END, CASE WHEN status = 'COMPLETED' THEN v + 1 END, status,
    CASE WHEN status = 'FAILED' THEN 'the HSM did not answer' END
FROM (SELECT n, v, CASE WHEN v = {rotations} AND n % 100 = 11 THEN 'SCHEDULED' WHEN n % 100 = 12 AND v = 4 THEN 'FAILED'
    ELSE 'COMPLETED' END AS status FROM {numbers}, {each}) AS made"""

EVENTS = """INSERT INTO key_audit_logs (id, sequence, key_id, event_type, event_category, event_description, user_id,
    "timestamp", security_level, risk_score, retention_period_days, recorded_by)
SELECT {id}, n, {key}, CASE n % 10 WHEN 0 THEN 'SIGN' WHEN 1 THEN 'APPROVAL' WHEN 2 THEN 'ENCRYPT' ELSE 'DECRYPT' END,
    CASE n % 10 WHEN 1 THEN 'COMPLIANCE' ELSE 'SECURITY' END, 'a key was used by the payment service',
    'user-' || n % 500, {time}, CASE WHEN n % 40 = 0 THEN 'HIGH' WHEN n % 5000 = 1 THEN 'CRITICAL' ELSE 'LOW' END,
    n % 72, 2555, 'workload'
FROM {numbers} WHERE n > 1"""

# Key 42 is rotated each day, and one entry of twenty is about it.
DAILY = """INSERT INTO key_rotations (id, key_id, policy_id, "trigger", scheduled_at, started_at, completed_at, status)
SELECT {id}, {key}, {policy}, 'scheduled', {begins}, {begins}, {begins}, 'COMPLETED' FROM {numbers}"""


def fill(connection: Connection, events: int) -> None:
    """Fill a database at head with only its first entry; its triggers are disabled afterwards."""
    keys = events // EVENTS_A_KEY
    with _without_triggers(connection):
        for statement in _statements(SPELLED[dialect_of(connection)], keys, events):
            execute(connection, statement)
    execute(connection, "ANALYZE")
    if dialect_of(connection) == "postgresql":
        execute(connection, "REFRESH MATERIALIZED VIEW key_health_monitor")
        _vacuum(connection)


def _vacuum(connection: Connection) -> None:
    """VACUUM until every page is known to be visible to all: an ANALYZE of autovacuum's may look on meanwhile."""
    unseen = """SELECT count(*) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm') AND relallvisible < relpages"""
    for _ in range(20):
        execute(connection, "VACUUM ANALYZE")
        if execute(connection, unseen).fetchone() == (0,):
            return
        time.sleep(0.5)
    raise AssertionError("VACUUM left pages that are not visible to all")


def _statements(spelled: dict[str, str], keys: int, events: int) -> Iterator[str]:
    def id_of(number: str) -> str:
        return spelled["id"].format(number=number)

    def ago(seconds: str) -> str:
        return spelled["ago"].format(seconds=seconds)

    day = 86400
    numbers = spelled["numbers"].format(count=keys, name="n")
    yield KEYS.format(
        id=id_of("n"), created=ago(f"400 * {day} + ({keys} - n) / 8"), rotated=ago(f"n % 300 * {day}"),
        expires=ago(f"-(n % 2000) * {day}"), numbers=numbers,
    )  # fmt: skip
    yield VERSIONS_OF_KEYS.format(
        id=id_of("n * 16 + v"), key=id_of("n"), envelope=spelled["envelope"], checksum="a" * 64,
        wrapper=id_of(f"(n - (n - 1) % 1000) * 16 + {VERSIONS}"), versions=VERSIONS,
        begins=ago(f"(399 - 20 * v) * {day} + n % {day}"), ends=ago(f"(379 - 20 * v) * {day} + n % {day}"),
        numbers=numbers, each=spelled["numbers"].format(count=VERSIONS, name="v"),
    )  # fmt: skip
    yield POLICY.format(id=id_of("1"))
    yield ROTATIONS_OF_KEYS.format(
        id=id_of("n * 16 + v"), key=id_of("n"), policy=id_of("1"), rotations=ROTATIONS,
        begins=ago(f"({ROTATIONS} - v) * 60 * {day} + n"),
        numbers=numbers, each=spelled["numbers"].format(count=ROTATIONS, name="v"),
    )  # fmt: skip
    yield DAILY.format(
        id=id_of(f"{keys} * 17 + n"), key=id_of(str(HOT_KEY)), policy=id_of("1"), begins=ago(f"n * {day}"),
        numbers=spelled["numbers"].format(count=DAYS, name="n"),
    )  # fmt: skip
    yield EVENTS.format(
        id=id_of("n"), key=id_of(f"CASE WHEN n % 20 = 3 THEN {HOT_KEY} ELSE 1 + n * 7 % {keys} END"),
        time=ago(f"({events} - n) * (90.0 * {day} / {events})"),
        numbers=spelled["numbers"].format(count=events, name="n"),
    )  # fmt: skip


@contextmanager
def _without_triggers(connection: Connection) -> Iterator[None]:
    tables = ("key_masters", "key_versions", "rotation_policies", "key_rotations", "key_audit_logs")
    if not isinstance(connection, sqlite3.Connection):
        with connection.transaction():
            for table in tables:
                execute(connection, f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            yield
        return
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    connection.execute("BEGIN")
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    yield
    for _, text in triggers:
        connection.execute(text)
    connection.execute("COMMIT")
