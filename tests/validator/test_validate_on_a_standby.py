"""The validator says the same on a hot standby as on its primary, to whoever may connect there."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema import validate
from kms_schema.validator import Level, Report, ValidationError
from support.engines import Database
from support.engines.postgresql import PostgresqlEngine, psycopg_url
from support.engines.programs import WHEEL_MAJOR, find_programs
from support.programs.commands import kms_schema
from support.reports import run
from support.rows.population import populate
from support.statements import execute

pytestmark = pytest.mark.only_on("postgresql-18")
SECONDS = 20


@dataclass(frozen=True)
class Pair:
    """A database on a primary, and the same on its standby."""

    primary: Database
    standby: Database

    def change(self, *statements: str) -> None:
        """Change the primary, and wait until the standby has it."""
        with closing(self.primary.connect()) as connection:
            # The servers of the tests write their log when it suits them, and only then does it go to a standby.
            run(connection, "SET synchronous_commit = on")
            for statement in statements:
                run(connection, statement)
            (written,) = execute(connection, "SELECT pg_current_wal_flush_lsn()::text").fetchone() or ("",)
        deadline = time.monotonic() + SECONDS
        with closing(self.standby.connect()) as connection:
            behind = "SELECT pg_last_wal_replay_lsn() < (:written)::pg_lsn"
            while execute(connection, behind, {"written": written}).fetchone() != (False,):
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.01)

    def as_role(self, role: str) -> "Pair":
        """Return both as seen by another role, which needs no password here."""
        return Pair(*(at(each, sa.make_url(each.url).set(username=role)) for each in (self.primary, self.standby)))


def at(database: Database, url: sa.URL) -> Database:
    """Return the database of the same name at another URL."""
    return replace(database, url=url.set(database=database.name).render_as_string(hide_password=False))


@pytest.fixture(scope="module")
def primary(engine_name: str) -> Iterator[PostgresqlEngine]:
    """A server with roles for what is tried here: one may copy it, one reads all, and two have no right at all."""
    with closing(PostgresqlEngine(engine_name, find_programs(WHEEL_MAJOR))) as engine:
        with closing(psycopg.connect(psycopg_url(engine.url), autocommit=True)) as connection:
            connection.execute("CREATE ROLE copies_all LOGIN REPLICATION; CREATE ROLE reads_all LOGIN")
            connection.execute(
                "CREATE ROLE selects LOGIN; CREATE ROLE connects LOGIN; GRANT pg_read_all_data TO reads_all"
            )
        yield engine


@pytest.fixture(scope="module")
def standby(primary: PostgresqlEngine) -> Iterator[PostgresqlEngine]:
    """Its hot standby, made by a role that has REPLICATION and no other right."""
    source = psycopg_url(primary.url.set(username="copies_all"))
    with closing(PostgresqlEngine(primary.name, find_programs(WHEEL_MAJOR), ("--standby-of", source))) as engine:
        yield engine


@pytest.fixture(scope="module", params=["public", pytest.param("kms", marks=pytest.mark.full)])
def template(request: pytest.FixtureRequest, primary: PostgresqlEngine) -> tuple[str, Database]:
    """The name of a schema, and a database that has everything in it, and rows."""
    database = primary.create()
    database.alembic("-x", f"schema={request.param}", "upgrade", "head")
    with closing(database.connect()) as connection:
        execute(connection, f"SET search_path = {request.param}")
        populate(connection)
    return str(request.param), database


@pytest.fixture
def schema(template: tuple[str, Database]) -> str:
    return template[0]


@pytest.fixture
def pair(primary: PostgresqlEngine, standby: PostgresqlEngine, template: tuple[str, Database]) -> Iterator[Pair]:
    """A database of the test's own, on both."""
    database = primary.create(template[1])
    pair = Pair(database, at(database, standby.url))
    # Until the standby has made the database nobody can ask it there how far it is.
    Pair(database, replace(database, url=standby.url.render_as_string(hide_password=False))).change()
    yield pair
    primary.drop(database)


def report_on(database: Database, schema: str, level: Level, *, settings: str = "SELECT") -> Report:
    """Validate, and leave out of the report what tells one run and one server from another."""
    with closing(database.connect()) as connection:
        run(connection, settings)
        return replace(validate(connection, schema=schema, level=level), checked_at=None, database="")


LEVELS: tuple[Level, ...] = ("catalog", "data")
DRIFT = {
    "KMS145": "ALTER TABLE {schema}.key_audit_logs DISABLE TRIGGER prevent_key_audit_log_update",
    "KMS121": "ALTER TABLE {schema}.key_rotations DROP CONSTRAINT fk_key_rotations_policy_id_rotation_policies",
    "KMS501": "SET session_replication_role = replica; DELETE FROM {schema}.rotation_policies",
    "KMS437": "INSERT INTO pg_seclabel VALUES ('{schema}.key_versions'::regclass, 'pg_class'::regclass, 0, 'x', 'x')",
}
"""What is changed on the primary, under the code that it is found by."""


@pytest.mark.parametrize("template", ["public", "kms"], indirect=True)
def test_a_standby_has_the_findings_of_its_primary_before_a_drift_and_after(pair: Pair, schema: str) -> None:
    for level in LEVELS:
        clean = report_on(pair.standby, schema, level)
        assert clean == report_on(pair.primary, schema, level)
        assert {finding.code for finding in clean.findings if finding.code in DRIFT} == set()
        assert ("KMS433", "role copies_all") in {(finding.code, finding.object) for finding in clean.findings}
    pair.change(*(statement.format(schema=schema) for statement in DRIFT.values()))
    for level in LEVELS:
        drifted = report_on(pair.standby, schema, level)
        assert drifted == report_on(pair.primary, schema, level)
        wanted = DRIFT.keys() - ({"KMS501"} if level == "catalog" else set())
        assert {finding.code for finding in drifted.findings if finding.code in DRIFT} == wanted


@pytest.mark.parametrize("settings", ["SET default_transaction_read_only = on", "SET row_security = off"])
def test_who_may_only_read_sees_the_same(pair: Pair, schema: str, settings: str) -> None:
    pair.change(*(statement.format(schema=schema) for statement in DRIFT.values()))
    for level in LEVELS:
        assert report_on(pair.primary, schema, level, settings=settings) == report_on(pair.primary, schema, level)


@pytest.mark.parametrize("role", ["selects", "reads_all"])
def test_an_auditor_who_may_select_sees_what_a_superuser_sees(pair: Pair, schema: str, role: str) -> None:
    pair.change(f"GRANT USAGE ON SCHEMA {schema} TO selects; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO selects")
    pair.change(*(statement.format(schema=schema) for statement in DRIFT.values()))
    auditor = pair.as_role(role)
    for level in LEVELS:
        everything = report_on(pair.primary, schema, level)
        assert report_on(auditor.primary, schema, level) == everything
        assert report_on(auditor.standby, schema, level) == everything


def test_an_auditor_with_connect_alone_misses_the_revision_only_and_says_so(pair: Pair, schema: str) -> None:
    pair.change(*(statement.format(schema=schema) for statement in DRIFT.values()))
    everything = report_on(pair.primary, schema, "catalog")
    for database in (pair.as_role("connects").primary, pair.as_role("connects").standby):
        seen = report_on(database, schema, "catalog")
        unknown = [finding.object for finding in seen.findings if finding.code == "KMS901"]
        assert unknown == ["revision of the database"]
        assert [finding for finding in seen.findings if finding.code != "KMS901"] == list(everything.findings)
        assert "1 check could not run" in seen.verdict
        rows = report_on(database, schema, "data")
        assert len([finding for finding in rows.findings if finding.code == "KMS901"]) > len(unknown)
        assert not [finding for finding in rows.findings if finding.code == "KMS501"]


def test_the_command_says_on_a_standby_what_it_says_of_the_primary(pair: Pair, schema: str) -> None:
    def said(database: Database) -> tuple[int, str]:
        command = kms_schema("validate", "--schema", schema, "--level", "data", url=database.url)
        return command.status, command.out.replace(sa.make_url(database.url).render_as_string(), "")

    assert said(pair.standby)[0] == said(pair.primary)[0] == 0
    pair.change(DRIFT["KMS145"].format(schema=schema))
    assert said(pair.standby)[0] == said(pair.primary)[0] == 1


def test_a_probe_of_a_standby_is_refused(pair: Pair, schema: str) -> None:
    said = kms_schema("validate", "--schema", schema, "--probe", url=pair.standby.url)
    assert (said.status, said.out) == (3, "")
    assert said.err.strip() == said.error
    assert "is a standby, which is read-only: probe its primary" in said.error
    with closing(pair.standby.connect()) as connection:
        with pytest.raises(ValidationError, match="is a standby"):
            validate(connection, schema=schema, probe=True)
        assert not validate(connection, schema=schema).fails()
