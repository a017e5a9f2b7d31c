"""The probe by sessions that may do less than a superuser, or that wait for others."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from kms_schema.validator import Report
from support.engines import Database
from support.login_roles import APPLICATION, login
from support.programs.commands import kms_schema
from support.reports import found
from support.statements import execute
from tests.validator.probe.sessions import AT_LEAST, OnlyAt, probe

SOON_SECONDS = 30


"""Who holds a lock is waited for once, and not at each of the attempts that want it."""


@pytest.mark.only_on("postgresql")
def test_another_schema_is_probed(empty_database: Database) -> None:
    empty_database.alembic("-x", "schema=kms", "upgrade", "head")
    with closing(empty_database.connect()) as connection:
        report = probe(connection, schema="kms")
        assert found(report) == []
        assert report.probed is not None
        assert report.probed >= AT_LEAST["postgresql"]


@pytest.mark.only_on("postgresql")
def test_a_role_that_may_write_only_the_trail_says_what_it_cannot_know(database: Database, only_at: OnlyAt) -> None:
    only_at("key_master", "key_audit_log")
    with login(database, *APPLICATION, "SELECT ON alembic_version") as seen, closing(seen.connect()) as connection:
        report = probe(connection)
    codes = {code for code, _ in found(report)}
    assert codes == {"KMS302", "KMS901"}  # what it was granted, and what it was not
    reasons = "\n".join(each.actual for each in report.findings if each.code == "KMS901")
    assert "permission denied for table key_masters" in reasons
    assert report.probed is not None
    assert report.probed > 0


@pytest.mark.only_on("postgresql")
def test_row_level_security_that_refuses_copy_is_no_rule(database: Database, only_at: OnlyAt) -> None:
    only_at("guard_key_audit_log_insert")
    with closing(database.connect()) as administrator, login(database, *APPLICATION, "SELECT ON key_masters") as seen:
        execute(administrator, "ALTER TABLE key_audit_logs ENABLE ROW LEVEL SECURITY")
        execute(administrator, "CREATE POLICY all_rows ON key_audit_logs USING (true)")
        with closing(seen.connect()) as connection:
            report = probe(connection)
    assert "KMS603" not in {code for code, _ in found(report)}
    reasons = [each.actual for each in report.findings if each.code == "KMS901"]
    assert "unknown: COPY FROM not supported with row-level security" in reasons


@pytest.mark.only_on("postgresql")
def test_a_role_that_may_write_everything_and_is_not_the_owner(database: Database) -> None:
    rights = ("ALL ON ALL TABLES IN SCHEMA public", f"TEMPORARY ON DATABASE {sa.make_url(database.url).database}")
    with login(database, *rights) as seen, closing(seen.connect()) as connection:
        report = probe(connection)
    assert [(each.code, each.actual) for each in report.findings if each.code[:4] in {"KMS6", "KMS9"}] == []
    assert report.probed is not None
    assert report.probed > 300


@pytest.mark.only_on("postgresql")
def test_restoring_by_who_is_not_the_owner_is_tried(database: Database, only_at: OnlyAt) -> None:
    """The trigger without its check of the owner: any role that sets kms.restore may forge entries."""
    only_at("guard_key_audit_log_insert")
    with closing(database.connect()) as administrator:
        (source,) = execute(
            administrator, "SELECT pg_get_functiondef('guard_key_audit_log_insert'::regproc)"
        ).fetchone()
        asked = source.index("AND pg_has_role")
        execute(administrator, source[:asked] + source[source.index("\n", asked) :])
        rights = ("ALL ON ALL TABLES IN SCHEMA public", f"TEMPORARY ON DATABASE {sa.make_url(database.url).database}")
        with login(database, *rights) as seen, closing(seen.connect()) as connection:
            finding = next(each for each in probe(connection).findings if each.code == "KMS601")
    assert finding.object == "trigger key_audit_logs.guard_key_audit_log_insert"
    assert "a role other than the owner restores an entry" in finding.actual


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    "how", ["DROP TRIGGER {0} ON key_audit_logs", "ALTER TABLE key_audit_logs DISABLE TRIGGER {0}"]
)
def test_claiming_what_the_database_writes_itself_is_tried(database: Database, how: str, only_at: OnlyAt) -> None:
    only_at("guard_key_audit_log_insert_event")
    with closing(database.connect()) as administrator:
        execute(administrator, how.format("guard_key_audit_log_insert_event"))
    rights = ("ALL ON ALL TABLES IN SCHEMA public", f"TEMPORARY ON DATABASE {sa.make_url(database.url).database}")
    with login(database, *rights) as seen, closing(seen.connect()) as connection:
        finding = next(each for each in probe(connection).findings if each.code == "KMS601")
    assert finding.object == "trigger key_audit_logs.guard_key_audit_log_insert_event"
    assert "an entry of type KEY_REVOKED is written without the change" in finding.actual


@pytest.mark.only_on("postgresql")
def test_who_holds_locks_is_waited_for_and_then_it_is_unknown(database: Database, only_at: OnlyAt) -> None:
    only_at("key_masters", "rotation_policies")
    with closing(database.connect()) as holder, closing(database.connect()) as connection:
        execute(holder, "BEGIN")
        execute(holder, "INSERT INTO rotation_policies (policy_name, key_type, max_operations) VALUES ('p', 'dek', 1)")
        execute(holder, "LOCK TABLE key_masters IN SHARE MODE")
        execute(connection, "SET lock_timeout = '60s'")
        begun = time.monotonic()
        report = probe(connection)
        assert time.monotonic() - begun < SOON_SECONDS
        execute(holder, "ROLLBACK")
        assert execute(connection, "SHOW lock_timeout").fetchone() == ("1min",)
    unknown = [each for each in report.findings if each.code == "KMS901"]
    assert len(unknown) == 1
    assert "lock timeout" in unknown[0].actual
    assert any("key_masters" in protection for protection in (unknown[0].object, *unknown[0].also))
    assert not report.fails()


@pytest.mark.only_on("postgresql")
def test_a_role_whose_transactions_are_read_only_is_told_so(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "SET default_transaction_read_only = on")
        report = probe(connection)
    assert [(each.code, each.object) for each in report.findings if each.code == "KMS901"] == [("KMS901", "probe")]
    assert report.probed == 0


@pytest.mark.only_on("sqlite")
def test_another_writer_is_waited_for_and_then_it_is_unknown(database: Database) -> None:
    with closing(database.connect()) as writer:
        execute(writer, "BEGIN IMMEDIATE")
        said = kms_schema("validate", "--probe", url=database.url)
    assert said.status == 0
    assert "another connection was writing" in said.out


@pytest.mark.only_on("sqlite")
def test_a_connection_that_may_only_read_is_told_so(database: Database) -> None:
    path = sa.make_url(database.url).database
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        report = probe(connection)
    assert [(each.code, each.object) for each in report.findings] == [("KMS901", "probe")]
    assert "readonly" in report.findings[0].actual


@pytest.mark.only_on("sqlite")
def test_a_connections_settings_are_as_they_were(database: Database, only_at: OnlyAt) -> None:
    only_at("key_audit_log")
    with closing(database.connect()) as connection:
        settings = {"foreign_keys": 1, "recursive_triggers": 1, "busy_timeout": 1234, "ignore_check_constraints": 1}
        for name, value in settings.items():
            execute(connection, f"PRAGMA {name} = {value}")
        assert found(probe(connection)) == []
        assert {name: execute(connection, f"PRAGMA {name}").fetchone()[0] for name in settings} == settings


@pytest.mark.only_on("postgresql")
def test_two_probes_at_once_do_not_disturb_each_other(database: Database, only_at: OnlyAt) -> None:
    only_at("key_masters", "key_rotations")
    reports: list[Report] = []

    def one() -> None:
        with closing(database.connect()) as connection:
            reports.append(probe(connection))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 2
    assert {each.code for report in reports for each in report.findings} <= {
        "KMS411",
        "KMS413",
        "KMS414",
        "KMS441",
        "KMS901",
    }


@pytest.mark.only_on("postgresql")
def test_an_owner_that_is_no_superuser_is_told_everything(empty_database: Database) -> None:
    """It may not play a replica, which is refused to it, and so there is nothing to try."""
    name = sa.make_url(empty_database.url).database
    with login(empty_database, f"CREATE, TEMPORARY ON DATABASE {name}", "CREATE ON SCHEMA public") as owner:
        owner.alembic("upgrade", "head")
        with closing(owner.connect()) as connection:
            report = probe(connection)
    assert found(report) == []
    assert report.probed is not None
    assert AT_LEAST["postgresql"] > report.probed > 350
