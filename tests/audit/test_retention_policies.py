"""For how long an entry is kept: a policy of its category says so, else the default, and never who writes the entry."""

from contextlib import closing

import pytest

from support.concurrency.sessions import Session
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import APPLICATION, login
from support.rows.smallest import audit_entry
from support.shared import SharedDatabase
from support.statements import execute, refused

GUARD = "guard_key_audit_log_insert"
SET = "INSERT INTO key_audit_retention_policies (event_category, retention_period_days) VALUES ('SECURITY', {days})"
ADD = "INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('TEST', 'SECURITY', 'x')"
CHOSEN = """INSERT INTO key_audit_logs (event_type, event_category, event_description, retention_period_days)
VALUES ('TEST', 'SECURITY', 'x', {days})"""


def periods(connection: Connection) -> list[int]:
    rows = execute(
        connection, "SELECT retention_period_days FROM key_audit_logs WHERE event_type = 'TEST' ORDER BY sequence"
    ).fetchall()
    return [days for (days,) in rows]


def test_a_policy_is_for_what_is_written_from_then_on(shared: SharedDatabase) -> None:
    for statement in (
        ADD,
        SET.format(days=30),
        ADD,
        "UPDATE key_audit_retention_policies SET retention_period_days = 400",
        ADD,
        ADD.replace("SECURITY", "POLICY"),
        "DELETE FROM key_audit_retention_policies",
        ADD,
    ):
        execute(shared.connection, statement)
    assert periods(shared.connection) == [2555, 30, 400, 2555, 2555]


def test_every_change_of_a_policy_is_an_entry(shared: SharedDatabase) -> None:
    for statement in (
        SET.format(days=30),
        "UPDATE key_audit_retention_policies SET retention_period_days = 1",
        "UPDATE key_audit_retention_policies SET retention_period_days = 1",
        "DELETE FROM key_audit_retention_policies",
    ):
        execute(shared.connection, statement)
    found = execute(
        shared.connection,
        "SELECT event_type, event_category, event_description, security_level FROM key_audit_logs"
        " WHERE event_type LIKE 'RETENTION%' ORDER BY sequence",
    ).fetchall()
    assert found == [
        (f"RETENTION_POLICY_{what}", "POLICY", f"retention policy {what.lower()}: SECURITY", "HIGH")
        for what in ("CREATED", "CHANGED", "DELETED")
    ]


@pytest.mark.parametrize("days", [1, 29, 31, 2554, 2556, 36500])
@pytest.mark.parametrize("policy", [None, 30], ids=["no policy", "a policy of 30 days"])
def test_clients_cannot_choose_the_retention_period(shared: SharedDatabase, policy: int | None, days: int) -> None:
    if policy is not None:
        execute(shared.connection, SET.format(days=policy))
    refused(shared.connection, CHOSEN.format(days=days), rule=GUARD, sqlstate="23514")
    execute(shared.connection, CHOSEN.format(days=policy or 2555))
    assert periods(shared.connection) == [policy or 2555]


@pytest.mark.only_on("postgresql")
def test_a_privilege_on_the_column_does_not_set_the_retention_period(database: Database) -> None:
    with login(database, *APPLICATION) as seen, closing(seen.connect()) as connection:
        refused(connection, CHOSEN.format(days=1), rule=GUARD, sqlstate="23514")
        execute(connection, "SET kms.restore = 'on'")
        refused(connection, CHOSEN.format(days=1), rule=GUARD, sqlstate="23514")
        assert audit_entry().keys().isdisjoint({"retention_period_days"})


@pytest.mark.parametrize("days", [0, -1, 36501, None])
def test_a_policy_has_a_period_that_an_entry_can_have(shared: SharedDatabase, days: int | None) -> None:
    rule = "retention_period_days"
    refused(shared.connection, SET.format(days="NULL" if days is None else days), rule=rule)


def test_there_is_one_policy_for_a_category_that_there_is(shared: SharedDatabase) -> None:
    execute(shared.connection, SET.format(days=30))
    refused(shared.connection, SET.format(days=1), rule="pk_key_audit_retention_policies")
    refused(
        shared.connection,
        SET.format(days=1).replace("SECURITY", "OTHER"),
        rule="ck_key_audit_retention_policies_event_category_known",
    )


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(("isolation", "days"), [("READ COMMITTED", 30), ("REPEATABLE READ", 2555)])
def test_a_policy_that_is_committed_meanwhile(database: Database, isolation: str, days: int) -> None:
    """Each transaction goes by the policies that it sees, and neither waits for the other."""
    with closing(database.connect()) as admin, Session(database, isolation) as writer:
        execute(admin, "BEGIN")
        execute(admin, SET.format(days=30))
        execute(writer.connection, ADD)
        execute(admin, "COMMIT")
        execute(writer.connection, ADD)
        execute(writer.connection, "COMMIT")
        assert periods(admin) == [2555, days]


@pytest.mark.only_on("postgresql")
def test_a_policy_that_is_rolled_back_leaves_no_period(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "BEGIN")
        execute(connection, SET.format(days=30))
        execute(connection, ADD)
        execute(connection, "ROLLBACK")
        execute(connection, ADD)
        assert periods(connection) == [2555]
