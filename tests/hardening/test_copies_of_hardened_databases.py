"""Dumps, restores and standbys of a hardened database: where the event triggers come along, and where they do not."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema import Report, validate
from kms_schema.hardening.applying import apply
from kms_schema.hardening.definition import event_triggers
from kms_schema.validator.checks.hardening import is_in_force
from support.engines import Database
from support.engines.client_programs import address, client, dumped, errors, run_script
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.login_roles import login
from support.reports import found
from support.statements import execute
from tests.audit.standbys import answers, promote, same_on, standby_of, wait_for

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

DISABLE = "ALTER TABLE key_audit_logs DISABLE TRIGGER prevent_key_audit_log_update"


@pytest.fixture
def source(database: Database) -> Database:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        apply(connection)
    return database


def report_of(database: Database) -> Report:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        return validate(connection)


def refuses_ddl(database: Database) -> bool:
    with closing(database.connect()) as connection:
        try:
            execute(connection, DISABLE)
        except psycopg.errors.RestrictViolation:
            return True
    return False


def test_a_superuser_restores_the_event_triggers_too(source: Database, empty_database: Database) -> None:
    """They come last in a dump, so that they are not in the way of the rest."""
    assert errors(run_script(empty_database, dumped(source))) == []
    report = report_of(empty_database)
    assert found(report) == []
    assert is_in_force(report.findings)
    assert refuses_ddl(empty_database)


def test_who_is_no_superuser_restores_all_but_the_event_triggers(
    source: Database, empty_database: Database, tmp_path: Path
) -> None:
    """The server says so of each, pg_restore exits with 1, and the validator says what is left to do."""
    dump = str(tmp_path / "dump")
    assert client("pg_dump", "-Fc", "--no-owner", "-f", dump, address(source)).returncode == 0
    with closing(empty_database.connect()) as superuser, login(empty_database) as owner:
        name = sa.make_url(owner.url).username
        execute(superuser, f"GRANT CREATE ON DATABASE {empty_database.name} TO {name}")
        execute(superuser, f"GRANT CREATE, USAGE ON SCHEMA public TO {name}")
        restored = client("pg_restore", "--no-owner", "-d", address(owner), dump)
        assert restored.returncode == 1
        denied = [line for line in errors(restored) if "permission denied to create event trigger" in line]
        assert len(denied) == len(event_triggers("public"))
        report = report_of(empty_database)
        assert found(report) == []
        named = {each.object for each in report.findings if each.code == "KMS442"}
        assert {f"event trigger {each.name}" for each in event_triggers("public")} <= named
        assert "schema public_hardening" in named, "the owner of the tables made it"
        assert not is_in_force(report.findings)
        execute(superuser, "DROP SCHEMA public_hardening CASCADE")
        assert isinstance(superuser, psycopg.Connection)
        apply(superuser)
        assert refuses_ddl(empty_database)
        for trigger in event_triggers("public"):
            execute(superuser, f"DROP EVENT TRIGGER {trigger.name}")


def test_a_dump_of_the_schema_alone_has_no_event_triggers(source: Database, empty_database: Database) -> None:
    """Nor their functions: what is restored is a database that was never hardened."""
    execute_all(empty_database, "DROP SCHEMA public CASCADE")
    assert errors(run_script(empty_database, dumped(source, "--schema=public"))) == []
    report = report_of(empty_database)
    assert [each.code for each in report.findings if each.code.startswith("KMS44")] == ["KMS441"]
    assert not is_in_force(report.findings)


def execute_all(database: Database, *statements: str) -> None:
    with closing(database.connect()) as connection:
        for statement in statements:
            execute(connection, statement)


@pytest.fixture
def primary(engine_name: str) -> Iterator[PostgresqlEngine]:
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    with closing(PostgresqlEngine(engine_name, programs)) as engine:
        yield engine


def test_a_standby_has_them_and_refuses_once_it_is_promoted(primary: PostgresqlEngine) -> None:
    database = primary.create(None)
    database.alembic("upgrade", "head")
    with closing(standby_of(primary)) as standby, closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        apply(connection)
        copy = same_on(standby, database)
        with closing(copy.connect()) as there:
            wait_for(answers(there, "SELECT count(*) FROM pg_event_trigger", 4), "the standby does not follow")
            assert is_in_force(report_of(copy).findings)
            promote(there)
        assert refuses_ddl(copy)
