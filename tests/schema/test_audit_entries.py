"""Audit entries: what a client may say in one, and what the server says of it."""

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.models import KeyAuditLog
from kms_schema.vocabulary import AuditCategory, AuditSecurityLevel
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import APPLICATION, drop_roles, login
from support.rows.smallest import Row, audit_entry, in_words, insert, key_master, now
from support.shared import SharedDatabase
from support.statements import execute, refused
from support.violations.refused_rows import (
    FOREIGN_KEY_VIOLATION,
    Forbidden,
    apply_settings,
    refuses,
    refuses_insert,
)

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "key_audit_logs"
GUARD = "guard_key_audit_log_insert"
SERVER_SET = ("id", "sequence", "timestamp", "recorded_by")

PLAIN = (
    "INSERT INTO key_audit_logs (event_type, event_category, event_description, security_level)"
    " VALUES ('CREATE', 'LIFECYCLE', 'a key was made', 'LOW')"
)
"""As the command line's page writes it, for psql and sqlite3."""

FORGED: list[Row] = [
    {"id": uuid.uuid4()},
    {"id": uuid.UUID("01900000-0000-7000-8000-000000000000")},
    *({"sequence": sequence} for sequence in (1, -1, 10**6)),
    *({"timestamp": now() + dt.timedelta(days=days)} for days in (-1, 1)),
    {"recorded_by": "somebody else"},
    {"recorded_by": ""},
]

STRICT = {"ignore_check_constraints": "OFF", "foreign_keys": "OFF"}
LAX = {"ignore_check_constraints": "ON", "foreign_keys": "OFF"}
"""Settings of SQLite clients. In this table guard triggers repeat even CHECK constraints that a client ignores."""

ACCEPTED: list[Row] = [
    *({"event_category": str(category)} for category in AuditCategory),
    *({"security_level": str(level)} for level in AuditSecurityLevel),
    *({"risk_score": score} for score in (0, 100, None)),
    {"retention_period_days": 2555},
    {"duration_ms": 0},
    {"duration_ms": 2**63 - 1},
    {"compliance_tags": ["PCI-DSS"], "additional_metadata": {"a": {"b": [1, None]}}},
    {"event_type": "U" * 50, "user_id": "u" * 100, "session_id": "s" * 100, "user_agent": "a" * 500},
    {"client_ip": "0000:0000:0000:0000:0000:ffff:192.168.100.228", "event_description": ""},
]

NO_NAMES = (
    "", " \t\r\n", "_KEY", "7KEY", "KEY REVOKED", *(f"KEY_REVOKED{blank}" for blank in "\t\n\v\f\r\x1c\x85\xa0"),
    "KEY_REVOKED\N{ZERO WIDTH SPACE}", "KEY\N{SOFT HYPHEN}_REVOKED", "\N{WORD JOINER}KEY_REVOKED",
    "\N{CYRILLIC CAPITAL LETTER KA}EY_REVOKED", "\N{KELVIN SIGN}EY_REVOKED",
    "\N{FULLWIDTH LATIN CAPITAL LETTER K}EY_REVOKED",
    "KEY\N{FULLWIDTH LOW LINE}REVOKED", "KE\N{COMBINING ACUTE ACCENT}Y_REVOKED", "KEY_REVOKED\N{RIGHT-TO-LEFT MARK}",
)  # fmt: skip
"""Types that are no names, most of which look like one that the database writes."""

FORBIDDEN = [
    *(Forbidden({"event_type": kind}, "ck_key_audit_logs_event_type_is_name") for kind in NO_NAMES),
    Forbidden({"key_id": uuid.uuid4()}, "fk_key_audit_logs_key_id_key_masters", FOREIGN_KEY_VIOLATION),
]


def entries(connection: Connection, columns: str = "sequence") -> list[tuple[Any, ...]]:
    """The trail, oldest first."""
    return [tuple(row) for row in execute(connection, f"SELECT {columns} FROM {TABLE} ORDER BY sequence").fetchall()]  # noqa: S608


def test_the_first_entry_is_system_init(shared: SharedDatabase) -> None:
    assert entries(shared.connection, "sequence, event_type, event_category, key_id") == [
        (1, "system_init", "LIFECYCLE", None)
    ]


@pytest.mark.parametrize("change", ACCEPTED, ids=in_words)
def test_a_sound_entry_is_accepted(shared: SharedDatabase, change: Row) -> None:
    master = insert(shared.connection, "key_masters", **key_master())
    before = len(entries(shared.connection))
    insert(shared.connection, TABLE, **audit_entry(**change))
    insert(shared.connection, TABLE, **audit_entry(key_id=master["id"], **change))
    assert len(entries(shared.connection)) == before + 2


@pytest.mark.parametrize("settings", [STRICT, LAX], ids=["strict", "lax"])
@pytest.mark.parametrize("forbidden", FORBIDDEN, ids=str)
def test_an_entry_that_breaks_a_rule_is_refused(shared: SharedDatabase, forbidden: Forbidden, settings: Row) -> None:
    if shared.dialect == "sqlite":
        apply_settings(shared.connection, settings)
    refuses_insert(shared.connection, TABLE, audit_entry(), forbidden)


def test_a_plain_insert_works_and_the_server_sets_the_rest(shared: SharedDatabase) -> None:
    before = now()
    execute(shared.connection, PLAIN)
    row = shared.connection.execute(
        "SELECT id, sequence, timestamp, recorded_by, retention_period_days FROM key_audit_logs WHERE sequence > 1"
    ).fetchone()
    assert row is not None
    made, sequence, at, recorded_by, retention = row
    assert uuid.UUID(str(made)).version == 7
    assert sequence > 1
    time = at if isinstance(at, dt.datetime) else dt.datetime.fromisoformat(at)
    assert abs(time - before) < dt.timedelta(minutes=1)
    assert retention == 2555
    if isinstance(shared.connection, psycopg.Connection):
        assert recorded_by == shared.connection.info.user
    else:
        assert recorded_by == "sqlite"


def test_the_default_level_is_low(shared: SharedDatabase) -> None:
    entry = audit_entry()
    del entry["security_level"]
    insert(shared.connection, TABLE, **entry)
    assert entries(shared.connection, "security_level")[-1] == ("LOW",)


@pytest.mark.parametrize("forged", FORGED, ids=in_words)
def test_columns_that_the_database_sets_cannot_be_given(shared: SharedDatabase, forged: Row) -> None:
    refuses_insert(shared.connection, TABLE, audit_entry(), Forbidden(forged, GUARD))


@pytest.mark.parametrize("column", SERVER_SET)
def test_values_that_the_database_set_cannot_be_copied_into_another_entry(shared: SharedDatabase, column: str) -> None:
    copied = "INSERT INTO key_audit_logs ({0}event_type, event_category, event_description)"
    copied += " SELECT {0}'COPIED', event_category, event_description FROM key_audit_logs"
    execute(shared.connection, copied.format(""))
    assert entries(shared.connection, "event_type") == [("system_init",), ("COPIED",)]
    if shared.dialect == "sqlite" and column == "recorded_by":
        return  # all entries have the same there
    # On SQLite an id that exists is refused as such.
    rule = "pk_key_audit_logs" if shared.dialect == "sqlite" and column == "id" else GUARD
    refuses(shared.connection, TABLE, copied.format(f'"{column}", '), rule=rule)


def test_sequences_increase_and_have_no_gaps_on_sqlite(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, PLAIN)
        execute(connection, f"{PLAIN}, ('B', 'SECURITY', 'b', 'LOW'), ('C', 'SECURITY', 'c', 'LOW')")
        execute(connection, "BEGIN")
        execute(connection, PLAIN)
        execute(connection, "ROLLBACK")
        refused(connection, PLAIN.replace("'LOW'", "'NONE'"), rule="ck_key_audit_logs_security_level_known")
        execute(connection, PLAIN)
        found = entries(connection, "sequence, event_type")
        assert [event for _, event in found] == ["system_init", "CREATE", "CREATE", "B", "C", "CREATE"]
        sequences = [sequence for sequence, _ in found]
        assert sequences == sorted(set(sequences))
        if database.dialect == "sqlite":
            assert sequences == [1, 2, 3, 4, 5, 6]
        times = [time for (time,) in entries(connection, '"timestamp"')]
        assert times == sorted(times)


@pytest.fixture
def application(database: Database) -> Iterator[Database]:
    """The database as a role sees it that may write and read the trail, and nothing else."""
    with login(database, *APPLICATION) as seen:
        yield seen


@pytest.mark.only_on("postgresql")
def test_an_application_writes_entries_in_its_own_name(database: Database, application: Database) -> None:
    name = sa.make_url(application.url).username
    with closing(application.connect()) as connection:
        execute(connection, PLAIN)
        with closing(database.connect()) as administrator:
            execute(administrator, f"CREATE ROLE {name}_group")
            execute(administrator, f"GRANT INSERT, SELECT ON {TABLE} TO {name}_group")
            execute(administrator, f"GRANT {name}_group TO {name}")
            try:
                execute(connection, f"SET ROLE {name}_group")
                execute(connection, PLAIN)
                execute(connection, "RESET ROLE")
            finally:
                drop_roles(administrator, f"{name}_group")
        assert entries(connection, "recorded_by")[1:] == [(name,), (name,)]
        for forged in FORGED:
            columns = ", ".join([*audit_entry(), *forged])
            values = ", ".join(f":{column}" for column in {**audit_entry(), **forged})
            statement = f"INSERT INTO {TABLE} ({columns}) VALUES ({values})"  # noqa: S608
            refuses(connection, TABLE, statement, {**audit_entry(), **forged}, rule=TABLE, sqlstate="42501")


@pytest.mark.only_on("postgresql")
def test_an_application_writes_entries_through_the_model(application: Database) -> None:
    engine = application.engine()
    with engine.connect() as connection, Session(connection) as session:
        entry = KeyAuditLog(event_type="CREATE", event_category=AuditCategory.LIFECYCLE, event_description="made")
        session.add(entry)
        session.commit()
        assert entry.recorded_by == engine.url.username
        assert entry.sequence == 2
        assert entry.id.version == 7
        assert entry.security_level is AuditSecurityLevel.LOW
        assert entry.timestamp.tzinfo is not None
    engine.dispose()


RESTORED: Row = {
    "id": uuid.uuid4(),
    "sequence": 77,
    "timestamp": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    "recorded_by": "former",
}


@pytest.mark.only_on("postgresql")
def test_a_restore_by_the_owner_keeps_values_that_the_database_had_set(shared: SharedDatabase) -> None:
    refuses_insert(shared.connection, TABLE, audit_entry(), Forbidden(RESTORED, GUARD))
    for other in ("off", "", "yes", "ON"):
        execute(shared.connection, f"SET LOCAL kms.restore = '{other}'")
        refuses_insert(shared.connection, TABLE, audit_entry(), Forbidden(RESTORED, GUARD))
    execute(shared.connection, "SET LOCAL kms.restore = on")
    insert(shared.connection, TABLE, **audit_entry(**RESTORED))
    assert entries(shared.connection, 'id, sequence, "timestamp", recorded_by')[-1] == tuple(RESTORED.values())


@pytest.mark.only_on("postgresql")
def test_a_restore_is_not_for_an_application(database: Database) -> None:
    with (
        login(database, f"INSERT, SELECT ON {TABLE}") as application,
        closing(application.connect()) as connection,
    ):
        execute(connection, "SET kms.restore = on")
        refuses_insert(connection, TABLE, audit_entry(), Forbidden(RESTORED, GUARD))
        execute(connection, PLAIN)
    owner = sa.make_url(database.url).username
    with login(database, str(owner)) as member, closing(member.connect()) as connection:
        refuses_insert(connection, TABLE, audit_entry(), Forbidden(RESTORED, GUARD))
        execute(connection, "SET kms.restore = on")
        insert(connection, TABLE, **audit_entry(**RESTORED))
