"""The sequence of the audit log: one that the owner has set is reported, and no entry ends the log."""

from contextlib import closing

import psycopg
import pytest

from kms_schema import validate
from kms_schema.validator.diff.findings import Finding
from support.engines import Database
from support.engines.database import Connection
from support.reports import run
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.audit.trails import seal_all, write

pytestmark = pytest.mark.only_on("postgresql")

SEQUENCE = "key_audit_logs_sequence_seq"
HIGH, HIGHEST, FAR = 2**50, 2**63 - 1, 2**40
SET = {
    f"setval('{SEQUENCE}', 1)": "continues with 2, and the last number of an entry or a seal is 5",
    f"setval('{SEQUENCE}', 5, false)": "continues with 5, and",
    f"setval('{SEQUENCE}', {HIGHEST - 3})": f"continues with {HIGHEST - 2}, and",
    f"setval('{SEQUENCE}', {HIGHEST})": "no number is left, and",
    f"setval('{SEQUENCE}', {FAR + 5})": f"continues with {FAR + 6}, and",
}
"""By change: what is reported. The log has five entries, the first of them from the upgrade."""


def reported(connection: Connection) -> list[Finding]:
    return [finding for finding in validate(connection).findings if finding.code == "KMS454"]


def empty(connection: Connection) -> None:
    run(connection, "ALTER TABLE key_audit_logs DISABLE TRIGGER ALL; DELETE FROM key_audit_logs")
    run(connection, "ALTER TABLE key_audit_logs ENABLE TRIGGER ALL")


@pytest.mark.parametrize("removed", [False, True])
def test_a_sequence_that_was_set_is_reported_and_set_back(database: Database, removed: bool) -> None:
    """Also where only a seal still has the number: the entries are gone."""
    with closing(database.connect()) as connection:
        write(connection, 4)
        seal_all(connection)
        assert reported(connection) == []
        (last,) = execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchone()
        assert last == 5
        if removed:
            empty(connection)
        for change, says in SET.items():
            execute(connection, f"SELECT {change}")
            findings = reported(connection)
            assert [finding.actual.startswith(says) for finding in findings] == [True], change
            finding = findings[0]
            assert finding.object == f"sequence {SEQUENCE}"
            run(connection, finding.remediation or "")
            assert reported(connection) == []
        if not removed:
            write(connection, 1)
            assert execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchone() == (6,)


def test_an_empty_log_begins_with_the_first_number(database: Database) -> None:
    with closing(database.connect()) as connection:
        empty(connection)
        execute(connection, f"SELECT setval('{SEQUENCE}', {HIGHEST})")
        (finding,) = reported(connection)
        run(connection, finding.remediation or "")
        write(connection, 1)
        assert execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchone() == (1,)


def test_no_entry_takes_a_number_far_above_the_others(database: Database) -> None:
    """The log cannot be ended by its last number; entries go on from where the last jump was let through."""
    with closing(database.connect()) as connection:
        write(connection, 2)
        execute(connection, f"SELECT setval('{SEQUENCE}', {HIGHEST - 100})")
        with pytest.raises(psycopg.errors.CheckViolation, match="the sequence was set far above the last entry"):
            insert(connection, "key_audit_logs", **audit_entry())
        execute(connection, f"SELECT setval('{SEQUENCE}', {HIGH - 1})")
        write(connection, 3)
        execute(connection, f"SELECT setval('{SEQUENCE}', {HIGH + 1 + FAR})")
        write(connection, 1)
        execute(connection, f"SELECT setval('{SEQUENCE}', {HIGH + 3 + 2 * FAR})")
        with pytest.raises(psycopg.errors.CheckViolation, match="far above the last entry"):
            insert(connection, "key_audit_logs", **audit_entry())
