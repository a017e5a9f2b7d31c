"""What the validator says of rights, roles and settings, and what it needs of them itself. SQLite has none."""

from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from kms_schema import snapshots, validate
from kms_schema.validator.catalog.attributes import Objects, names_of
from kms_schema.validator.catalog.postgresql_reader import reading
from kms_schema.validator.checks.posture import Observed
from kms_schema.validator.diff.compare import usual_owner
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import drop_roles, login
from support.reports import found, posture, report_on, run
from tests.roles.granted import HAND_OVER


def test_roles_that_can_bypass_protections_are_warnings(database: Database) -> None:
    report = report_on(database)
    assert not report.fails()
    if database.dialect == "sqlite":
        assert posture(report) == []
    else:
        assert {code for code, _ in posture(report)} >= {"KMS411", "KMS414"}


@pytest.mark.only_on("postgresql")
def test_a_role_with_connect_alone_is_enough_and_says_what_it_cannot_see(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        role = sql.Identifier(f"{connection.info.dbname}_auditor")
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        try:
            connection.execute("DROP TRIGGER prevent_key_audit_log_update ON key_audit_logs")
            connection.execute(sql.SQL("SET ROLE {}").format(role))
            report = validate(connection)
        finally:
            connection.execute("RESET ROLE")
            connection.execute(sql.SQL("DROP ROLE {}").format(role))
    assert found(report) == [
        ("KMS901", "revision of the database"),
        ("KMS141", "trigger key_audit_logs.prevent_key_audit_log_update"),
    ]
    assert "1 check could not run" in report.verdict


ALL_KINDS = (
    "CREATE PUBLICATION seen FOR ALL TABLES",
    "CREATE STATISTICS public.seen ON status, key_type FROM key_masters",
    "CREATE POLICY seen ON key_masters USING (status = 'active')",
    "CREATE RULE seen AS ON INSERT TO key_masters DO ALSO SELECT 1",
    "CREATE VIEW public.seen AS SELECT * FROM key_versions; GRANT SELECT ON public.seen TO pg_monitor",
    "CREATE FUNCTION public.seen() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END'",
    "CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION public.seen()",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "INSERT INTO pg_seclabel VALUES ('key_versions'::regclass, 'pg_class'::regclass, 0, 'x', 'x')",
    "GRANT SELECT (key_id) ON key_versions TO pg_monitor; COMMENT ON TABLE key_masters IS 'seen'",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
)
"""Something of each kind that the validator reads and the package does not make."""


@pytest.mark.only_on("postgresql")
def test_a_role_with_connect_alone_reads_every_fact_that_a_superuser_reads(database: Database) -> None:
    with closing(database.connect()) as superuser, login(database) as nobody, closing(nobody.connect()) as auditor:
        for change in ALL_KINDS:
            run(superuser, change)
        everything, seen = (everything_read(connection) for connection in (superuser, auditor))
    assert seen == everything
    assert {row[0] for row in seen[1]} >= {"KMS414", "KMS416", "KMS417", "KMS418", "KMS429", "KMS436", "KMS437"}


def everything_read(connection: Connection) -> tuple[Objects, list[Observed], list[str]]:
    assert isinstance(connection, psycopg.Connection)
    with reading(connection, "public") as reader:
        objects = reader.objects(names_of(snapshots.load("postgresql", snapshots.chain()[-1], reader.version)))
        names = names_of(objects)
        return objects, reader.posture(usual_owner(objects)), reader.unmanaged_objects(names)


@pytest.mark.only_on("postgresql")
def test_explicit_default_privileges_are_no_drift(database: Database) -> None:
    """A dump and restore, or GRANT and REVOKE, leave the same rights spelled out."""
    with closing(database.connect()) as connection:
        run(connection, "GRANT SELECT ON key_audit_logs TO pg_monitor; REVOKE SELECT ON key_audit_logs FROM pg_monitor")
        assert found(validate(connection)) == []


@pytest.mark.only_on("postgresql")
def test_roles_and_settings_that_open_the_guards_are_found(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        name = connection.info.dbname
        roles = owner, between, helper = [f"{name}_{suffix}" for suffix in ("owner", "between", "helper")]
        for role in roles:
            run(connection, f"CREATE ROLE {role}")
        try:
            run(connection, f"GRANT {owner} TO {between}; GRANT {between} TO {helper}")
            run(connection, HAND_OVER.replace("{owner}", owner))
            run(connection, f"GRANT CREATE ON SCHEMA public TO PUBLIC, {between}")
            run(connection, f"ALTER DATABASE {name} SET session_replication_role = replica")
            run(connection, f"ALTER ROLE {helper} IN DATABASE {name} SET kms.restore = on")
            run(connection, f"ALTER DATABASE {name} SET kms.actor = alice; ALTER ROLE {between} SET kms.notices = off")
            with closing(database.connect()) as another:
                report = validate(another)
            run(connection, f"ALTER DATABASE {name} RESET ALL")
            run(connection, "SET kms.restore = on; SET kms.actor = mallory; SET kms.notices = off")
            of_session = validate(connection)
        finally:
            drop_roles(connection, *roles)
    assert found(report) == []
    assert [each for each in posture(report) if each[0] not in {"KMS414", "KMS441"}] == [
        ("KMS401", f"setting of every role in database {name}"),
        ("KMS402", f"setting of role {helper} in database {name}"),
        ("KMS412", f"role {between}"),
        ("KMS413", "schema public"),
        ("KMS415", "schema public"),
        ("KMS456", f"setting of every role in database {name}"),
        ("KMS456", f"setting of role {between}"),
    ]
    here = "setting of the server, or of this session"
    assert {(each.code, each.actual) for each in of_session.findings if each.object == here} == {
        ("KMS402", "kms.restore=on"), ("KMS456", "kms.actor=mallory; kms.notices=off"),
    }  # fmt: skip
    (member,) = (finding for finding in report.findings if finding.code == "KMS412")
    assert member.actual == f"a member of {owner}, and through it {helper}"
    assert report.fails()
