"""Anomalies over what triggers and clients really write, and over a connection that is used for more."""

import datetime as dt
import sqlite3
from contextlib import closing
from typing import Any

import psycopg
import pytest

from kms_schema.audit import TrailError, count_anomalies, find_anomalies
from kms_schema.audit.anomalies.rules import RULES, RuleName
from support.engines import Database
from support.engines.database import Connection
from support.recorded_changes import CHANGES, World
from support.rows.smallest import active_key_master, audit_entry, insert, live_key_version
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled

HOUR = dt.timedelta(hours=1)


def since() -> dt.datetime:
    return dt.datetime.now(dt.UTC) - HOUR


def used(connection: Connection, document: Any) -> None:
    key = insert(connection, "key_masters", **active_key_master())
    insert(connection, "key_versions", **live_key_version(key))
    entry = audit_entry(event_type="KEY_USED", key_id=key["id"], additional_metadata=document)
    insert(connection, "key_audit_logs", **entry)


def forged(connection: Connection) -> list[str]:
    return [each.summary for each in find_anomalies(connection, since(), only=[RuleName.FORGED_ENTRY])]


def test_nothing_that_the_database_writes_is_held_for_forged(shared: SharedDatabase) -> None:
    for make, _ in CHANGES.values():
        make(World(shared.connection))
    days = {"event_category": "POLICY", "retention_period_days": 400}
    insert(shared.connection, "key_audit_retention_policies", **days)
    execute(shared.connection, "UPDATE key_audit_retention_policies SET retention_period_days = 500")
    assert forged(shared.connection) == []


@pytest.mark.parametrize(
    "document",
    [
        {"version": 1, "encryptions": -5, "decryptions": 10**300, "process": "h:1"},
        {"version": 10**30, "encryptions": 1, "decryptions": 0, "process": "h:1"},
        {"version": 1, "encryptions": "1", "decryptions": 0, "process": "h:1"},
        {"version": {"a": []}, "encryptions": 1.5, "decryptions": None, "process": ["h"]},
        {},
    ],
    ids=["beyond every count", "beyond every version", "text", "other types", "empty"],
)
def test_documents_of_clients_fail_no_rule(shared: SharedDatabase, document: Any) -> None:
    """A login that may write entries must not be able to end the search for anomalies."""
    used(shared.connection, document)
    assert set(count_anomalies(shared.connection, since())) == set(RULES)


@pytest.mark.only_on("sqlite")
def test_damaged_documents_fail_no_rule(database: Database) -> None:
    with closing(database.connect()) as connection, triggers_disabled(connection):
        used(connection, {"version": 1})
        connection.execute("UPDATE key_audit_logs SET additional_metadata = '{\"version\"', event_description = x'ff'")
        try:
            counts = count_anomalies(connection, since())
        except sqlite3.DatabaseError as error:
            pytest.fail(f"it ended the search: {error}")
        assert counts[RuleName.FORGED_ENTRY] == 1


def test_the_connection_is_left_as_it_was(database: Database) -> None:
    with closing(database.connect()) as connection:
        find_anomalies(connection, since())
        connection.execute("BEGIN")
        used(connection, {"version": 7})
        assert len(forged(connection)) == 1, "it reads what this transaction has written"
        if isinstance(connection, psycopg.Connection):
            assert connection.execute("SHOW row_security").fetchone() == ("on",)
        connection.rollback()
        assert forged(connection) == []
        in_transaction = (
            connection.in_transaction
            if isinstance(connection, sqlite3.Connection)
            else connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        )
        assert not in_transaction


def test_wrong_arguments_are_refused(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        with pytest.raises(ValueError, match="aware"):
            find_anomalies(connection, dt.datetime(2026, 1, 1))
        with pytest.raises(TrailError, match="key_audit_logs"):
            find_anomalies(connection, since())
