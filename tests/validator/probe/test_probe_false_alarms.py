"""A database in which every rule holds is not called broken, whatever is in it, and while others write there."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from support.engines import Database
from support.reports import found
from support.rows.smallest import insert
from support.statements import execute
from tests.validator.probe.sessions import OnlyAt, probe

BUSY = """INSERT INTO key_audit_logs (event_type, event_category, event_description)
SELECT 'USED', 'SECURITY', 'by an application' FROM generate_series(1, 100)"""


@pytest.mark.parametrize("category", ["SECURITY", "LIFECYCLE"])
def test_a_policy_of_retention_is_no_fault(database: Database, category: str, only_at: OnlyAt) -> None:
    only_at("retention_polic")
    with closing(database.connect()) as connection:
        for statement in (
            "INSERT INTO key_audit_retention_policies VALUES ('SECURITY', 365)",
            "UPDATE key_audit_retention_policies SET retention_period_days = 366",
            "DELETE FROM key_audit_retention_policies",
        ):
            execute(connection, statement)
        row = {"event_category": category, "retention_period_days": 365}
        insert(connection, "key_audit_retention_policies", **row)
        assert found(probe(connection)) == []


@pytest.mark.parametrize("missing", ["insert", "update", "delete"])
def test_a_change_of_a_policy_that_is_not_recorded_is_found(database: Database, missing: str, only_at: OnlyAt) -> None:
    only_at("audit_key_audit_retention_policy")
    trigger = f"audit_key_audit_retention_policy_{missing}"
    with closing(database.connect()) as connection:
        execute(connection, "INSERT INTO key_audit_retention_policies VALUES ('SECURITY', 365)")
        suffix = " ON key_audit_retention_policies" if database.dialect == "postgresql" else ""
        execute(connection, f"DROP TRIGGER {trigger}{suffix}")
        assert ("KMS604", f"trigger key_audit_retention_policies.{trigger}") in found(probe(connection))


@contextmanager
def busy(database: Database) -> Iterator[None]:
    """Have an application write entries, a hundred in each statement."""
    ended, begun = threading.Event(), threading.Event()

    def write() -> None:
        with closing(database.connect()) as connection:
            while not ended.is_set():
                execute(connection, BUSY)
                begun.set()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        ended.set()
        for writer in writers:
            writer.join()


@pytest.mark.only_on("postgresql")
def test_an_application_that_writes_entries_meanwhile_is_no_fault(database: Database, only_at: OnlyAt) -> None:
    only_at("audit_key_master", "audit_key_version", "audit_rotation_policy", "audit_key_rotation")
    with closing(database.connect()) as connection, busy(database):
        assert found(probe(connection)) == []
