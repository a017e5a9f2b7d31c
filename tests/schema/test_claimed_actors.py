"""The actor: a claim of the application in the entries that the database writes, for one transaction."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.models import KeyAuditLog, KeyMaster, acting_for
from kms_schema.validator import validate
from kms_schema.vocabulary import KeyStatus, KeyType, RecordedEvent
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.login_roles import login
from support.rows.smallest import audit_entry, insert, key_master, unique
from support.statements import execute, refused

pytestmark = pytest.mark.versions("oldest and newest")

RECORDED = "SELECT event_type, user_id FROM key_audit_logs WHERE sequence > 1 ORDER BY sequence"
CLAIM = {
    "postgresql": "SET LOCAL kms.actor = 'alice@example.com'",
    "sqlite": "INSERT INTO key_audit_actor (actor) VALUES ('alice@example.com')",
}
END_OF_CLAIM = {"postgresql": "RESET kms.actor", "sqlite": "DELETE FROM key_audit_actor"}


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    engine = database.engine()
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def a_key() -> KeyMaster:
    return KeyMaster(key_id=unique("key"), key_type=KeyType.DEK, algorithm="AES-256", key_size_bits=256)


def actors(session: Session) -> list[str | None]:
    recorded = sa.select(KeyAuditLog.user_id).where(KeyAuditLog.event_type.in_([*RecordedEvent]))
    return list(session.scalars(recorded.order_by(KeyAuditLog.sequence)))


def test_a_plain_client_claims_for_one_transaction(database: Database) -> None:
    with closing(database.connect()) as connection:
        if database.dialect == "sqlite":
            execute(connection, "PRAGMA foreign_keys = ON")
        execute(connection, "BEGIN")
        execute(connection, CLAIM[database.dialect])
        insert(connection, "key_masters", **key_master())
        execute(connection, END_OF_CLAIM[database.dialect])
        execute(connection, "COMMIT")
        insert(connection, "key_masters", **key_master())
        found = [tuple(row) for row in execute(connection, RECORDED).fetchall()]
    assert found == [("KEY_CREATED", "alice@example.com"), ("KEY_CREATED", None)]


def test_the_statements_of_the_page_work_as_written(database: Database) -> None:
    page = (REPOSITORY / "docs" / "recorded.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    changes = [block for block in blocks if block.count("BEGIN;")]
    (written,) = (block for block in changes if ("SET LOCAL" in block) == (database.dialect == "postgresql"))
    with closing(database.connect()) as connection:
        insert(connection, "key_masters", **key_master(key_id="orders-2026"))
        if isinstance(connection, sqlite3.Connection):
            connection.executescript(written)
        else:
            execute(connection, written)
        insert(connection, "key_masters", **key_master())
        found = [tuple(row) for row in execute(connection, RECORDED).fetchall()]
    assert found == [("KEY_CREATED", None), ("KEY_REVOKED", "alice@example.com"), ("KEY_CREATED", None)]


def test_the_actor_covers_changes_that_are_flushed_in_the_block(session: Session) -> None:
    key = a_key()
    with acting_for(session.connection(), "alice"):
        session.add(key)
        session.flush()
        with acting_for(session.connection(), "bob"):
            key.status = KeyStatus.ACTIVE
            session.flush()
        key.max_usage_count = 9
        session.flush()
    key.max_usage_count = 10
    session.commit()
    assert actors(session) == ["alice", "bob", "alice", None]


def test_a_claim_ends_with_a_transaction_that_fails(session: Session) -> None:
    taken = a_key()
    session.add(taken)
    session.commit()
    with pytest.raises(sa.exc.IntegrityError), acting_for(session.connection(), "alice"):
        session.execute(
            sa.insert(KeyMaster).values(key_id=taken.key_id, key_type="dek", algorithm="A", key_size_bits=8)
        )
    session.rollback()
    session.add(a_key())
    session.commit()
    assert actors(session) == [None, None]


@pytest.mark.parametrize("actor", ["", "  ", "x" * 101, "a\0b", "\udce9"])
def test_an_actor_that_does_not_fit_an_entry_is_refused(session: Session, actor: str) -> None:
    with (
        pytest.raises(ValueError, match=r"1 to 100 characters|no database stores"),
        acting_for(session.connection(), actor),
    ):
        pytest.fail("it was taken")


@pytest.mark.only_on("sqlite")
def test_a_connection_that_does_not_trust_the_schema_claims_nothing_and_writes(session: Session) -> None:
    session.execute(sa.text("PRAGMA trusted_schema = OFF"))
    with (
        pytest.raises(ValueError, match="requires PRAGMA trusted_schema = ON"),
        acting_for(session.connection(), "alice"),
    ):
        pytest.fail("it was taken")
    session.add(a_key())
    session.commit()
    assert actors(session) == [None]


@pytest.mark.only_on("postgresql")
def test_a_claim_in_autocommit_is_no_claim(database: Database) -> None:
    engine = database.engine()
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(ValueError, match="AUTOCOMMIT"),
        acting_for(connection, "alice"),
    ):
        pytest.fail("it was taken")
    engine.dispose()


def test_an_actor_replaces_a_leftover_one(database: Database, session: Session) -> None:
    with closing(database.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            execute(connection, "DROP TRIGGER guard_key_audit_actor_insert")
            execute(connection, "PRAGMA foreign_keys = OFF")
            execute(connection, CLAIM["sqlite"])
    with acting_for(session.connection(), "bob"):
        session.add(a_key())
        session.flush()
    session.commit()
    assert actors(session) == ["bob"]


@pytest.mark.only_on("postgresql")
def test_a_blank_setting_is_no_actor_and_a_long_one_is_refused(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "SET kms.actor = '  '")
        insert(connection, "key_masters", **key_master())
        assert execute(connection, RECORDED).fetchall() == [("KEY_CREATED", None)]
        execute(connection, f"SET kms.actor = '{'x' * 101}'")
        with pytest.raises(psycopg.errors.StringDataRightTruncation, match=r"kms\.actor has 101 characters"):
            insert(connection, "key_masters", **key_master())


@pytest.mark.only_on("sqlite")
def test_a_claim_that_is_left_does_not_commit_and_is_found_where_foreign_keys_are_off(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        execute(connection, "PRAGMA foreign_keys = ON")
        execute(connection, "BEGIN")
        execute(connection, CLAIM["sqlite"])
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            connection.execute("COMMIT")
        connection.execute("ROLLBACK")
        execute(connection, "PRAGMA foreign_keys = OFF")
        refused(connection, CLAIM["sqlite"], rule="guard_key_audit_actor_insert")
        query = "SELECT sql FROM sqlite_schema WHERE name = 'guard_key_audit_actor_insert'"
        (guard,) = execute(connection, query).fetchone()
        execute(connection, "DROP TRIGGER guard_key_audit_actor_insert")
        execute(connection, CLAIM["sqlite"])
        refused(connection, "INSERT INTO key_audit_actor (actor) VALUES ('bob')", rule="UNIQUE constraint failed")
        execute(connection, guard)
        found = {each.object for each in validate(connection, level="data").findings}
    assert found == {"constraint key_audit_actor.fk_key_audit_actor_until_commit_key_audit_actor"}


LOOK_ALIKES = (
    "key_revoked", "Key_Revoked", "KEY-REVOKED", "KEY.REVOKED", "KEYREVOKED", "KEY__REVOKED_", "key_rev0ked",
    "KEY:DELETED", "KEY_DE1ETED", "KEY_DEIETED", "HSM_C0NFlGURAT1ON_CREATED", "hsrn_configuration_created",
    "version_revvrapped", "TRAlL_CUT",
)  # fmt: skip


@pytest.mark.only_on("postgresql")
def test_only_the_owner_writes_such_an_entry_without_the_change(database: Database) -> None:
    privileges = ("INSERT, SELECT ON key_audit_logs", "INSERT, SELECT, UPDATE ON key_masters")
    with login(database, *privileges) as application, closing(application.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        for event in (*RecordedEvent, *LOOK_ALIKES):
            refused(
                connection,
                "INSERT INTO key_audit_logs (event_type, event_category, event_description)"
                " VALUES (:event, 'LIFECYCLE', 'trust me')",
                {"event": str(event)},
                rule="guard_key_audit_log_insert_event",
                sqlstate="23514",
            )
        insert(connection, "key_audit_logs", **audit_entry(event_type="KEY_REVOKED_BY_THE_BOARD"))
        execute(connection, "SET kms.actor = 'alice'")
        insert(connection, "key_masters", **key_master())
        (row,) = _recorded_by(connection)
        name = connection.info.user
    assert row == ("KEY_CREATED", "alice", name)


def _recorded_by(connection: psycopg.Connection[Any]) -> list[Any]:
    query = "SELECT event_type, user_id, recorded_by FROM key_audit_logs WHERE event_type = 'KEY_CREATED'"
    return execute(connection, query).fetchall()  # type: ignore[no-any-return]
