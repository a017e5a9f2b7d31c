"""A role that may end other sessions can stop what seals and refreshes, and is found."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema import validate
from kms_schema.validator import Severity
from support.engines import Database
from support.login_roles import login
from support.reports import run

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]
Connection = psycopg.Connection[tuple[object, ...]]


@contextmanager
def session(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        yield connection


def test_who_may_end_other_sessions_is_found(database: Database) -> None:
    with (
        login(database) as sealer,
        login(database) as other,
        login(database, "pg_signal_backend") as attacker,
        session(database) as administrator,
        session(sealer) as sealing,
    ):
        end = f"SELECT pg_terminate_backend({sealing.info.backend_pid})"
        with session(other) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(connection, end)
        findings = [each for each in validate(administrator).findings if each.code == "KMS446"]
        name = sa.make_url(attacker.url).username
        assert [(each.object, each.severity) for each in findings] == [(f"role {name}", Severity.WARNING)]
        with session(attacker) as connection:
            run(connection, end)
        with pytest.raises(psycopg.OperationalError):
            run(sealing, "SELECT 1")
        run(administrator, str(findings[0].remediation))
        assert "KMS446" not in {each.code for each in validate(administrator).findings}


def test_who_may_create_objects_in_pg_catalog_is_found(database: Database) -> None:
    """A function there precedes the built-in one that it is a better match than, in functions of the owner too."""
    with login(database) as other, session(database) as administrator:
        name = sa.make_url(other.url).username
        before = {(each.code, each.object) for each in validate(administrator).findings}
        run(administrator, f"GRANT CREATE ON SCHEMA pg_catalog TO {name}")
        try:
            with session(other) as connection:
                run(connection, "CREATE FUNCTION pg_catalog.btrim(varchar) RETURNS text LANGUAGE sql AS 'SELECT null'")
                run(connection, "DROP FUNCTION pg_catalog.btrim(varchar)")
            findings = [each for each in validate(administrator).findings if (each.code, each.object) not in before]
            assert [(each.code, each.object) for each in findings] == [("KMS425", f"role {name}")]
            run(administrator, str(findings[0].remediation))
            assert {(each.code, each.object) for each in validate(administrator).findings} == before
        finally:
            run(administrator, f"REVOKE CREATE ON SCHEMA pg_catalog FROM {name}")
