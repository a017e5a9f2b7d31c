"""The probe on real databases: everything is refused as promised, and nothing of it remains."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema import validate
from kms_schema.validator import Report
from kms_schema.validator import probe as probe_package
from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.probe.attempt import Engine
from tests.support.catalog import catalog, differences
from tests.support.engines import Database
from tests.support.engines.database import Connection
from tests.support.login_roles import APPLICATION, login
from tests.support.programs.commands import kms_schema
from tests.support.reports import found
from tests.support.rows.population import all_rows, populate
from tests.support.statements import execute
from tests.validator.probe.sessions import Tried, by_protection

SOON_SECONDS = 30
"""Who holds a lock is waited for once, and not at each of the attempts that want it."""

OnlyAt = Callable[..., None]

AT_LEAST = {"postgresql": 600, "sqlite": 1000}
"""How many attempts are made at head; in a replica's session, and with either setting of SQLite's, once more."""


def probe(connection: Connection, **options: Any) -> Report:
    return validate(connection, probe=True, **options)


@pytest.fixture
def only_at(monkeypatch: pytest.MonkeyPatch) -> OnlyAt:
    """Have a probe in this process make those attempts only whose protection has one of the words in its name.

    For tests of how a probe goes about it: `test_everything_is_refused_as_promised` makes every attempt.
    """

    def choose(*words: str) -> None:
        def chosen(engine: Engine, version: int, expected: Objects) -> Tried:
            found = by_protection(engine, version, expected).items()
            return [each for name, tried in found if any(word in name for word in words) for each in tried]

        monkeypatch.setattr(probe_package, "attempts", chosen)

    return choose


def everything(connection: Connection) -> tuple[Any, Any]:
    """Return what the catalog says, and every row. Sequences may advance, and their values are in neither."""
    return catalog(connection), all_rows(connection)


@pytest.mark.versions("oldest and newest")
@pytest.mark.parametrize("populated", [pytest.param(False, marks=pytest.mark.full), True], ids=["empty", "populated"])
def test_everything_is_refused_as_promised_and_nothing_remains(database: Database, populated: bool) -> None:
    with closing(database.connect()) as connection:
        if populated:
            populate(connection)
        before = everything(connection)
        report = probe(connection)
        assert found(report) == []
        assert report.probed is not None
        assert report.probed >= AT_LEAST[database.dialect]
        assert f"{report.probed} attempts" in report.verdict
        after = everything(connection)
        assert differences(before[0], after[0]) == {}
        assert after[1] == before[1]


def test_an_older_revision_is_probed_for_what_it_has(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        report = probe(connection)
    assert found(report) == [("KMS002", "revision of the database")]
    assert report.probed is not None
    assert report.probed > 200


def test_nothing_is_probed_where_there_is_nothing(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        report = probe(connection)
    assert found(report) == [("KMS001", "revision of the database")]
    assert report.probed is None


def test_no_probe_unless_asked(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert validate(connection).probed is None


def test_a_guard_that_lets_everything_through_is_named_with_what_went_through(
    database: Database, only_at: OnlyAt
) -> None:
    """On SQLite two of them in one probe: values of entries are tried with checks ignored."""
    only_at("key_audit_log")
    values = "guard_key_audit_log_insert_values"
    with closing(database.connect()) as connection:
        suffix = " ON key_audit_logs" if database.dialect == "postgresql" else ""
        execute(connection, f"DROP TRIGGER prevent_key_audit_log_update{suffix}")
        if database.dialect == "sqlite":
            execute(connection, f"DROP TRIGGER {values}")
        report = probe(connection)
    through = {each.object: each for each in report.findings if each.code == "KMS601"}
    finding = through.pop("trigger key_audit_logs.prevent_key_audit_log_update")
    assert "UPDATE of the sequence" in finding.actual
    assert "prevent_key_audit_log_update" in finding.expected
    assert "removed or forged" in finding.impact
    if database.dialect == "sqlite":
        assert "a risk is above 100" in through.pop(f"trigger key_audit_logs.{values}").actual
    assert through == {}
    assert report.fails()


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("RAISE EXCEPTION 'no'", "KMS602"),
        ("RETURN NULL", "KMS601"),
        ("RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'prevent_key_audit_log_update'", "KMS602"),
    ],
)
def test_a_guard_that_answers_otherwise_is_found(database: Database, answer: str, code: str, only_at: OnlyAt) -> None:
    only_at("prevent_key_audit_log_update")
    with closing(database.connect()) as connection:
        execute(
            connection,
            "CREATE OR REPLACE FUNCTION prevent_key_audit_log_change() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN {answer}; END $$",
        )
        assert (code, "trigger key_audit_logs.prevent_key_audit_log_update") in found(probe(connection))


def test_an_effect_that_is_missing_is_found(database: Database, only_at: OnlyAt) -> None:
    only_at("audit_key_version")
    with closing(database.connect()) as connection:
        suffix = " ON key_versions" if database.dialect == "postgresql" else ""
        execute(connection, f"DROP TRIGGER audit_key_version_delete{suffix}")
        assert ("KMS604", "trigger key_versions.audit_key_version_delete") in found(probe(connection))


def test_a_rule_that_refuses_too_much_is_one_finding(database: Database, only_at: OnlyAt) -> None:
    only_at("rotation_policies", "key_masters")
    with closing(database.connect()) as connection:
        if database.dialect == "postgresql":
            execute(connection, "ALTER TABLE rotation_policies ADD CONSTRAINT nothing CHECK (false)")
        else:
            execute(
                connection,
                "CREATE TRIGGER no_policies BEFORE INSERT ON rotation_policies"
                " BEGIN SELECT RAISE(ABORT, 'no_policies: none'); END",
            )
        refused = [each for each in probe(connection).findings if each.code == "KMS603"]
    assert len(refused) == 1
    assert len(refused[0].also) > 10


@pytest.mark.only_on("postgresql")
def test_another_schema_is_probed(empty_database: Database) -> None:
    empty_database.alembic("-x", "schema=kms", "upgrade", "head")
    with closing(empty_database.connect()) as connection:
        report = probe(connection, schema="kms")
        assert found(report) == []
        assert report.probed is not None
        assert report.probed >= AT_LEAST["postgresql"]


@pytest.mark.only_on("postgresql")
def test_a_role_that_may_write_only_the_trail_says_what_it_cannot_know(database: Database) -> None:
    with login(database, *APPLICATION, "SELECT ON alembic_version") as seen, closing(seen.connect()) as connection:
        report = probe(connection)
    codes = {code for code, _ in found(report)}
    assert codes == {"KMS302", "KMS901"}  # what it was granted, and what it was not
    reasons = "\n".join(each.actual for each in report.findings if each.code == "KMS901")
    assert "permission denied for table key_masters" in reasons
    assert report.probed is not None
    assert report.probed > 0


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


def test_the_command_probes_and_says_how_often(database: Database) -> None:
    said = kms_schema("validate", "--probe", url=database.url)
    assert said.status == 0, said.all
    assert "attempts of the probe as expected" in said.out


@pytest.mark.full_on("sqlite")
def test_the_command_fails_where_a_forbidden_write_went_through(database: Database) -> None:
    with closing(database.connect()) as connection:
        suffix = " ON key_versions" if database.dialect == "postgresql" else ""
        execute(connection, f"DROP TRIGGER prevent_key_version_delete{suffix}")
    said = kms_schema("validate", "--probe", "--select", "KMS6", url=database.url)
    assert said.status == 1
    assert "KMS601 trigger key_versions.prevent_key_version_delete" in said.out


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


@pytest.mark.only_on("postgresql")
def test_a_trigger_that_swallows_rows_is_found_though_every_guard_is_there(database: Database, only_at: OnlyAt) -> None:
    only_at("key_audit_log")
    with closing(database.connect()) as connection:
        execute(
            connection, "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        )
        execute(
            connection,
            "CREATE TRIGGER a_first BEFORE UPDATE ON key_audit_logs FOR EACH ROW EXECUTE FUNCTION swallow()",
        )
        assert ("KMS601", "trigger key_audit_logs.prevent_key_audit_log_update") in found(probe(connection))
