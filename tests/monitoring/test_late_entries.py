"""Entries of high risk whose transaction was open for an hour count from its end on."""

from contextlib import closing

import pytest

from kms_schema.audit.storage.postgresql.transactions import PostgresqlTransaction
from kms_schema.audit.storage.sqlite.transactions import SqliteTransaction
from kms_schema.monitoring import take_snapshot
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import audit_entry, insert, now
from support.statements import adapt, dialect_of, execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.trails import seal_all
from tests.rotations.setups import HOUR

pytestmark = pytest.mark.versions("oldest and newest")


def critical(connection: Connection) -> list[float | None]:
    """Return the critical entries of the last hour and of the last day."""
    snapshot = take_snapshot(connection)
    assert snapshot.failures() == {}
    return [snapshot.value("kms_audit_high_risk_entries", window, "CRITICAL") for window in ("1h", "24h")]


def set_time(connection: Connection, rows: str = "true") -> None:
    """Set the time of critical entries to three hours ago."""
    change = f"""UPDATE key_audit_logs SET "timestamp" = :at WHERE security_level = 'CRITICAL' AND {rows}"""  # noqa: S608
    with triggers_disabled(connection):
        execute(connection, change, {"at": adapt(now() - 3 * HOUR, dialect_of(connection))})


def seal_two_hours_ago(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        for transaction in (PostgresqlTransaction, SqliteTransaction):
            patched.setattr(transaction, "now", lambda _self: f"{now() - 2 * HOUR:%Y-%m-%dT%H:%M:%S.%fZ}")
        seal_all(connection)


def test_an_entry_that_is_sealed_late_counts_for_an_hour_after_its_seal(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry(security_level="CRITICAL"))
        assert critical(connection) == [1, 1]
        set_time(connection)
        assert critical(connection) == [0, 1], "nothing is sealed at all"
        seal_two_hours_ago(connection, monkeypatch)
        assert critical(connection) == [0, 1]
        insert(connection, "key_audit_logs", **audit_entry(security_level="CRITICAL"))
        set_time(connection, "sequence > (SELECT last_sequence FROM key_audit_seals)")
        assert critical(connection) == [1, 2]
        seal_all(connection)
        assert critical(connection) == [1, 2]


@pytest.mark.only_on("postgresql")
def test_an_entry_that_others_were_sealed_before_counts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as late:
        execute(late, "BEGIN")
        insert(late, "key_audit_logs", **audit_entry(security_level="CRITICAL"))
        insert(connection, "key_audit_logs", **audit_entry())
        seal_two_hours_ago(connection, monkeypatch)
        assert critical(connection) == [0, 0]
        execute(late, "COMMIT")
        set_time(connection)
        assert critical(connection) == [1, 1]
        seal_all(connection)
        assert critical(connection) == [1, 1]
