"""The probe on real databases: everything is refused as promised, and nothing of it remains."""

from contextlib import closing
from typing import Any

import pytest

from kms_schema import validate
from support.catalog import catalog, differences
from support.engines import Database
from support.engines.database import Connection
from support.programs.commands import kms_schema
from support.reports import found
from support.rows.population import all_rows, populate
from support.statements import execute
from tests.validator.probe.sessions import AT_LEAST, OnlyAt, probe


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
        assert "risk_score is 101" in through.pop(f"trigger key_audit_logs.{values}").actual
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


def test_the_command_probes_and_says_how_often(database: Database, only_at: OnlyAt) -> None:
    only_at("key_version")
    said = kms_schema("validate", "--probe", url=database.url)
    assert said.status == 0, said.all
    assert "attempts of the probe as expected" in said.out


def test_the_command_fails_where_a_forbidden_write_went_through(database: Database, only_at: OnlyAt) -> None:
    only_at("prevent_key_version_delete")
    with closing(database.connect()) as connection:
        suffix = " ON key_versions" if database.dialect == "postgresql" else ""
        execute(connection, f"DROP TRIGGER prevent_key_version_delete{suffix}")
    said = kms_schema("validate", "--probe", "--select", "KMS6", url=database.url)
    assert said.status == 1
    assert "KMS601 trigger key_versions.prevent_key_version_delete" in said.out


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
