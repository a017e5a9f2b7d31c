"""Level `data`: rows that a guard would have refused, had it been there, are found and named on either engine."""

from contextlib import closing

import pytest

from kms_schema.models import Base
from kms_schema.validator import Report, validate
from kms_schema.validator.checks.row_reader import NEEDS
from support.concurrency.statements import live_version, master
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import login
from support.rows.population import populate
from support.statements import execute
from support.violations.by_rule import A_VIOLATION_OF_EACH_RULE
from support.violations.triggers_disabled import triggers_disabled
from support.violations.violation import Violation, spelled


def rows_found(connection: Connection) -> dict[str, str]:
    """Return what is found of rows: what was seen, by the object that should have kept it out."""
    report = validate(connection, level="data")
    return {finding.object: finding.actual for finding in report.findings if finding.code == "KMS501"}


def unknown(report: Report) -> list[str]:
    return [key for finding in report.findings if finding.code == "KMS901" for key in (finding.object, *finding.also)]


def test_a_populated_database_has_no_such_rows(database: Database) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
        report = validate(connection, level="data")
        assert [finding.object for finding in report.findings if finding.severity == "error"] == []
        assert unknown(report) == []


@A_VIOLATION_OF_EACH_RULE
def test_rows_that_break_a_trigger_are_named(database: Database, violation: Violation) -> None:
    with closing(database.connect()) as connection:
        broken = violation.make(connection)
        with triggers_disabled(connection):
            execute(connection, broken.breaking.sql, broken.breaking.parameters)
        report = validate(connection, level="data")
    hanging = violation.rule == "validate_key_version_wrapper" and "circle of" in violation.name
    lost = {"KMS522"} if hanging else set()
    assert {finding.code for finding in report.findings if finding.severity == "error"} == {"KMS501"} | lost
    (seen,) = [finding.actual for finding in report.findings if finding.expected.endswith(f" {violation.rule}")]
    for row, name in broken.rows:
        assert spelled(row["id"], database.dialect) in seen
        assert database.dialect == "sqlite" or name in seen or violation.rule.startswith("fk_")


BROKEN = {
    "constraint key_masters.ck_key_masters_status_known": "UPDATE key_masters SET status = 'lost'",
    "constraint key_masters.ck_key_masters_parent_is_another_key": "UPDATE key_masters SET parent_key_id = key_id",
    "constraint key_versions.fk_key_versions_key_id_key_masters": "DELETE FROM key_masters",
    "constraint key_audit_logs.fk_key_audit_logs_key_id_key_masters": "DELETE FROM key_masters",
    "constraint key_rotations.ck_key_rotations_status_known": "UPDATE key_rotations SET status = 'LOST'",
}


@pytest.mark.parametrize("key", BROKEN)
def test_rows_that_break_a_constraint_are_found_though_the_catalog_is_right(database: Database, key: str) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
        with triggers_disabled(connection):
            execute(connection, BROKEN[key])
        assert not validate(connection).fails()
        assert key in rows_found(connection)


@pytest.mark.only_on("postgresql")
def test_a_server_that_believes_its_constraints_is_asked_all_the_same(database: Database) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
        with triggers_disabled(connection):
            execute(connection, "UPDATE key_masters SET usage_count = -1")
        execute(connection, "SET constraint_exclusion = on")
        assert execute(connection, "SELECT id FROM key_masters WHERE NOT (usage_count >= 0)").fetchall() == []
        assert "constraint key_masters.ck_key_masters_usage_count_range" in rows_found(connection)


@pytest.mark.only_on("postgresql")
def test_rows_that_a_damaged_index_let_in_twice_are_found(database: Database) -> None:
    with closing(database.connect()) as connection:
        key = master(connection)
        live_version(connection, key)
        index = "WHERE indexrelid = 'uq_key_versions_live'::regclass"
        execute(connection, f"UPDATE pg_index SET indisready = false {index}")  # noqa: S608
        with triggers_disabled(connection):
            live_version(connection, key, version_number=2)
        execute(connection, f"UPDATE pg_index SET indisready = true {index}")  # noqa: S608
        assert "2 rows have the same" in rows_found(connection)["index uq_key_versions_live"]


@pytest.mark.only_on("postgresql")
def test_what_a_role_may_not_read_is_unknown_and_not_passed(database: Database) -> None:
    with (
        login(database, "SELECT ON alembic_version", "SELECT ON key_versions") as auditor,
        closing(auditor.connect()) as connection,
    ):
        report = validate(connection, level="data")
        assert "constraint key_masters.pk_key_masters" in unknown(report)
        assert "constraint key_versions.pk_key_versions" not in unknown(report)
        unread = [finding for finding in report.findings if finding.code == "KMS901"]
        assert len(unread) <= len(Base.metadata.tables) + 1, "one for each table, and one for the indexes"
        assert all(finding.actual.endswith(f": {NEEDS}") for finding in unread), unread


@pytest.mark.only_on("postgresql")
def test_rows_that_row_level_security_hides_are_unknown(database: Database) -> None:
    with closing(database.connect()) as owner, login(database, "SELECT ON key_masters, alembic_version") as auditor:
        execute(owner, "ALTER TABLE key_masters ENABLE ROW LEVEL SECURITY")
        with closing(auditor.connect()) as connection:
            assert "constraint key_masters.pk_key_masters" in unknown(validate(connection, level="data"))


@pytest.mark.only_on("postgresql")
def test_a_stale_view_is_reported_with_the_statement_that_refreshes_it(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "UPDATE key_view_refreshes SET refreshed_at = refreshed_at - interval '61 minutes'")
        stale = [finding for finding in validate(connection, level="data").findings if finding.code == "KMS176"]
        assert [finding.object for finding in stale] == [
            "materialized view key_health_monitor",
            "materialized view key_management_dashboard",
        ]
        assert stale[0].remediation is not None
        execute(connection, stale[0].remediation)
        assert not [each for each in validate(connection, level="data").findings if each.code == "KMS176"]


def test_progress_is_told_and_the_statements_are_as_many_whatever_the_rows(database: Database) -> None:
    told: list[tuple[int, int]] = []
    with closing(database.connect()) as connection:
        validate(connection, level="data", progress=lambda _what, position, of: told.append((position, of)))
    assert [position for position, _ in told] == list(range(len(told)))
    assert {of for _, of in told} == {len(told)}
    assert len(told) < 65


def test_the_catalog_alone_asks_no_rows(database: Database) -> None:
    with closing(database.connect()) as connection:
        validate(connection, progress=lambda *_: pytest.fail("a row was asked for"))
