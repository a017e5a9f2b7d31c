"""The command's SQL on live databases: again and again, under writers, by whom, and what it writes down."""

import threading
from contextlib import closing

import psycopg
import pytest

from kms_schema import validate
from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.roles import applying
from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role
from kms_schema.roles.statements import LOCK_TIMEOUT, script
from support.engines import Database
from support.login_roles import drop_roles, login
from support.programs.commands import kms_schema
from support.reports import found
from support.revisions import revisions
from support.statements import execute
from tests.roles.granted import HAND_OVER, Granted
from tests.roles.material import live_key

pytestmark = pytest.mark.only_on("postgresql")

CHANGES = "SELECT additional_metadata FROM key_audit_logs WHERE event_type = 'RIGHTS_CHANGED' ORDER BY sequence"


def test_the_second_run_changes_nothing_and_waits_for_no_writer(granted: Granted) -> None:
    live_key(granted.superuser)
    with closing(granted.database.connect()) as writer:
        writer.execute("BEGIN")
        writer.execute("UPDATE key_versions SET usage_count = usage_count + 1")
        writer.execute(
            "INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('X', 'SECURITY', 'x')"
        )
        again = apply(granted.superuser, prefix=granted.prefix, waiting=pytest.fail)
    assert (again.granted, again.revoked) == ((), ())
    assert len(execute(granted.superuser, CHANGES).fetchall()) == 1


def test_a_session_that_quotes_each_name_drops_no_policy(granted: Granted) -> None:
    policies = "SELECT oid, polname FROM pg_policy ORDER BY oid"
    before = execute(granted.superuser, policies).fetchall()
    execute(granted.superuser, "SET quote_all_identifiers = on")
    again = apply(granted.superuser, prefix=granted.prefix)
    assert (again.granted, again.revoked) == ((), ())
    assert execute(granted.superuser, policies).fetchall() == before
    assert execute(granted.superuser, "SHOW quote_all_identifiers").fetchone() == ("on",)


def test_what_changes_is_an_entry_in_the_same_transaction(granted: Granted) -> None:
    app = granted.prefix + Role.APP
    execute(granted.superuser, f"REVOKE SELECT ON key_masters FROM {app}; GRANT DELETE ON key_masters TO {app}")  # noqa: S608
    applied = apply(granted.superuser, prefix=granted.prefix)
    assert applied.granted == (f"{app}: SELECT ON relation key_masters",)
    assert applied.revoked == (f"{app}: DELETE ON relation key_masters",)
    (first,), (second,) = execute(granted.superuser, CHANGES).fetchall()
    assert len(first["granted"]) > 150
    assert second == {"prefix": granted.prefix, "granted": [*applied.granted], "revoked": [*applied.revoked]}
    with granted.superuser.transaction(force_rollback=True):
        execute(granted.superuser, f"REVOKE ALL ON key_masters FROM {app}")
        apply(granted.superuser, prefix=granted.prefix)
    assert len(execute(granted.superuser, CHANGES).fetchall()) == 2


def test_a_writer_is_waited_for_without_others_being_held_up(granted: Granted, monkeypatch: pytest.MonkeyPatch) -> None:
    """One holds a table's lock: ours are let go each time, and it goes on when that one is done."""
    live_key(granted.superuser)
    monkeypatch.setattr(applying, "PAUSE_SECONDS", 0.05)
    execute(granted.superuser, "ALTER TABLE key_versions DISABLE ROW LEVEL SECURITY")
    let_go = threading.Event()
    with closing(granted.database.connect()) as writer, closing(granted.database.connect()) as other:
        writer.execute("BEGIN")
        writer.execute("UPDATE key_versions SET usage_count = usage_count + 1")

        def waiting(attempt: int) -> None:
            other.execute("SET lock_timeout = '100ms'")
            other.execute("UPDATE key_versions SET data_volume_bytes = 0 WHERE false")
            if attempt == 2:
                writer.execute("COMMIT")
                let_go.set()

        applied = apply(granted.superuser, prefix=granted.prefix, waiting=waiting)
    assert let_go.is_set()
    query = f"SELECT '{LOCK_TIMEOUT}'::interval < current_setting('deadlock_timeout')::interval"
    assert execute(granted.superuser, query).fetchone() == (True,), "the server would end one of those that wait"
    assert applied.granted == ("row-level security ON key_versions",)


def test_it_does_not_run_while_an_upgrade_does(granted: Granted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "PAUSE_SECONDS", 0.05)
    waited = []
    with closing(granted.database.connect()) as upgrade:
        upgrade.execute(f"SELECT pg_advisory_lock({LOCK_KEY})".encode())

        def waiting(attempt: int) -> None:
            waited.append(attempt)
            upgrade.execute(f"SELECT pg_advisory_unlock({LOCK_KEY})".encode())

        apply(granted.superuser, prefix=granted.prefix, waiting=waiting)
    assert waited == [1]


def test_the_roles_are_no_drift_and_other_privileges_are(granted: Granted) -> None:
    assert found(validate(granted.superuser)) == []
    app, sealer = granted.prefix + Role.APP, granted.prefix + Role.SEALER
    for change, finding in (
        (
            f"GRANT SELECT (authentication_config) ON hsm_configurations TO {app}",
            ("KMS302", "table hsm_configurations"),
        ),
        (f"GRANT UPDATE, DELETE ON key_audit_seals TO {sealer}", ("KMS302", "table key_audit_seals")),
        (f"REVOKE ALL ON key_masters FROM {app}", ("KMS302", "table key_masters")),
        (f"GRANT SELECT ON key_masters TO {app} WITH GRANT OPTION", ("KMS302", "table key_masters")),
        ("GRANT EXECUTE ON FUNCTION kms_restoring() TO PUBLIC", ("KMS302", "function kms_restoring()")),
        ("GRANT SELECT ON key_rotations TO pg_monitor", ("KMS302", "table key_rotations")),
        ("ALTER TABLE key_audit_logs DISABLE ROW LEVEL SECURITY", ("KMS303", "table key_audit_logs")),
        ("ALTER TABLE key_audit_logs FORCE ROW LEVEL SECURITY", ("KMS303", "table key_audit_logs")),
        (
            "ALTER POLICY key_versions_read_usable ON key_versions USING (true)",
            ("KMS203", "policy key_versions.key_versions_read_usable"),
        ),
        (
            "DROP POLICY key_audit_logs_read_own ON key_audit_logs",
            ("KMS201", "policy key_audit_logs.key_audit_logs_read_own"),
        ),
        ("CREATE POLICY more ON key_masters USING (true)", ("KMS202", "policy key_masters.more")),
    ):
        execute(granted.superuser, change)
        report = validate(granted.superuser)
        assert found(report) == [finding], change
        (fix,) = (each.remediation for each in report.findings if each.code == finding[0])
        execute(granted.superuser, fix or "")  # the next report has no other finding, so this one is gone
    assert found(validate(granted.superuser)) == []


def test_one_grant_to_a_role_of_such_a_name_is_a_difference_by_itself(database: Database) -> None:
    """That a role is called kms_app does not make it the package's."""
    with closing(database.connect()) as connection, login(database) as nobody:
        name = f"{nobody.url.split('//')[1].split(':')[0]}_kms_app"
        execute(connection, f"CREATE ROLE {name}; GRANT SELECT ON key_masters TO {name}")
        try:
            assert isinstance(connection, psycopg.Connection)
            assert found(validate(connection)) == [("KMS302", "table key_masters")]
        finally:
            drop_roles(connection, name)


def test_an_owner_that_may_make_roles_hands_everything_over_and_keeps_no_right(database: Database) -> None:
    """No superuser is needed: one who owns tables and database, with CREATEROLE."""
    with closing(database.connect()) as connection, login(database) as deployer:
        assert isinstance(connection, psycopg.Connection)
        name = deployer.url.split("//")[1].split(":")[0]
        prefix = f"{name}_"
        roles = [prefix + role for role in Role]
        execute(connection, f"ALTER ROLE {name} CREATEROLE; ALTER DATABASE {database.name} OWNER TO {name}")
        execute(connection, f"ALTER SCHEMA public OWNER TO {name}")
        execute(connection, HAND_OVER.replace("{owner}", name))
        try:
            with closing(deployer.connect()) as owner:
                assert isinstance(owner, psycopg.Connection)
                assert apply(owner, prefix=prefix, owner=True).warnings == ()
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    execute(owner, "ALTER TABLE key_audit_logs DISABLE TRIGGER USER")
            report = validate(connection)
            assert found(report) == []
            codes = {each.code for each in report.findings if each.severity == "warning"}
            assert codes <= {"KMS412", "KMS423", "KMS428", "KMS455"}
        finally:
            execute(connection, f"ALTER DATABASE {database.name} OWNER TO {connection.info.user}")
            execute(connection, f"ALTER SCHEMA public OWNER TO {connection.info.user}")
            drop_roles(connection, *roles)


def test_the_tables_of_another_are_not_for_an_application_to_grant(granted: Granted) -> None:
    with granted.session(Role.APP) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        apply(session, prefix=granted.prefix)


def test_a_role_that_logs_in_is_not_made_a_group(database: Database) -> None:
    with closing(database.connect()) as connection, login(database) as somebody:
        assert isinstance(connection, psycopg.Connection)
        prefix = f"{somebody.url.split('//')[1].split(':')[0]}_"
        execute(connection, f"CREATE ROLE {prefix}kms_app LOGIN")
        try:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has LOGIN"):
                apply(connection, prefix=prefix)
        finally:
            execute(connection, f"DROP ROLE {prefix}kms_app")
        assert execute(connection, f"SELECT FROM pg_roles WHERE rolname LIKE '{prefix}%'").fetchall() == []


def test_a_database_of_an_older_revision_is_told_to_upgrade(database: Database) -> None:
    database.alembic("downgrade", "005")
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="key_audit_leaves"):
            apply(connection, prefix="none_")


@pytest.mark.parametrize("prefix", ["pg_", "Upper_", "a b", "x" * 60, "'", "$kms$"])
def test_a_prefix_that_is_no_beginning_of_a_name_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="a prefix is"):
        script("public", prefix)


def test_an_upgrade_by_a_member_of_the_owner_leaves_everything_to_the_owner(granted: Granted) -> None:
    """As docs/roles.md says: with `role` among the options of the URL, and the roles applied again afterwards."""
    apply(granted.superuser, prefix=granted.prefix, owner=True)
    granted.database.alembic("downgrade", "005")
    with granted.member(Role.OWNER) as deployer:
        url = f"{deployer.url}?options=-c%20role%3D{granted.prefix}{Role.OWNER}"
        assert kms_schema("upgrade", url=url).status == 0
        again = kms_schema("roles", "--apply", "--owner", "--prefix", granted.prefix, url=url)
    assert again.status == 0, again.all
    assert "expired entries cannot be removed yet" in again.err
    apply(granted.superuser, prefix=granted.prefix, owner=True)
    report = validate(granted.superuser)
    assert found(report) == []
    assert {each.code for each in report.findings} == {"KMS414", "KMS441", "KMS448"}


def test_tables_that_were_dropped_and_created_again_get_the_roles_again(granted: Granted) -> None:
    granted.database.alembic("downgrade", "004")
    granted.database.alembic("upgrade", "head")
    report = validate(granted.superuser)
    assert found(report) == [("KMS310", f"roles {granted.prefix}kms_app and others")]
    (finding,) = (each for each in report.findings if each.code == "KMS310")
    assert finding.remediation == (
        f"-- manual action: as a superuser, run: kms-schema roles --apply --prefix {granted.prefix}"
    )
    assert {"table key_audit_seals", "policy key_operation_records.key_operation_records_read_all"} <= set(finding.also)
    assert granted.prefix not in " ".join(apply(granted.superuser, prefix=granted.prefix).revoked)
    assert found(validate(granted.superuser)) == []


def test_a_restore_without_owners_or_privileges_gets_the_roles_again(granted: Granted) -> None:
    """`pg_restore --no-owner` changes the owner, and a restore of single tables leaves privileges out."""
    execute(granted.superuser, f"ALTER FUNCTION remove_expired_key_audit_logs() OWNER TO {granted.superuser.info.user}")
    without_owner = validate(granted.superuser)
    assert found(without_owner) == [("KMS310", f"roles {granted.prefix}kms_app and others")]
    grantees = ", ".join(granted.prefix + role for role in Role if role is not Role.OWNER)
    for kind in ("TABLES", "FUNCTIONS", "SEQUENCES"):
        execute(granted.superuser, f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {grantees}")
    execute(granted.superuser, "GRANT EXECUTE ON FUNCTION kms_restoring(), kms_uuidv7() TO PUBLIC")
    assert found(validate(granted.superuser)) == [("KMS310", f"roles {granted.prefix}kms_app and others")]
    apply(granted.superuser, prefix=granted.prefix)
    assert found(validate(granted.superuser)) == []


def test_a_member_of_the_owner_asks_the_rows_and_probes_every_guard(granted: Granted) -> None:
    apply(granted.superuser, prefix=granted.prefix, owner=True)
    with granted.session(Role.OWNER) as deployer:
        report = validate(deployer, level="data", probe=True)
    assert found(report) == []
    assert report.probed


def test_another_schema_has_them_too(empty_database: Database) -> None:
    schema = "kms"
    with closing(empty_database.connect()) as connection, login(empty_database) as somebody:
        assert isinstance(connection, psycopg.Connection)
        prefix = f"{somebody.url.split('//')[1].split(':')[0]}_"
        roles = [prefix + role for role in Role]
        assert kms_schema("upgrade", "--schema", schema, url=empty_database.url).status == 0
        try:
            apply(connection, schema=schema, prefix=prefix, owner=True)
            assert apply(connection, schema=schema, prefix=prefix, owner=True).granted == ()
            assert found(validate(connection, schema=schema)) == []
        finally:
            drop_roles(connection, *roles)


def test_a_wrong_stamp_is_one_finding_beside_the_policies_of_roles(granted: Granted) -> None:
    granted.superuser.execute(f"UPDATE alembic_version SET version_num = '{revisions()[-2]}'".encode())  # noqa: S608
    report = validate(granted.superuser)
    assert ("KMS005", "revision of the database") in found(report)
    assert report.compared_with == revisions()[-1]
