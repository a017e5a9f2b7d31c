"""The validator knows the event triggers: there, not there, and anything in between."""

from contextlib import closing

import psycopg
import pytest

from kms_schema import Report, validate
from kms_schema.hardening.applying import apply, remove
from kms_schema.hardening.definition import LEFT_OPEN, REFUSED, event_triggers, hardening_schema
from kms_schema.validator.checks.hardening import is_in_force
from support.engines import Database
from support.login_roles import drop_roles
from support.reports import found
from support.statements import execute
from tests.hardening.hardened import Hardened

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

STARTS, COMMANDS, DROPS, REWRITES = (each.name for each in event_triggers("public"))
EMPTY = "CREATE OR REPLACE FUNCTION public_hardening.refuse_drops() RETURNS event_trigger LANGUAGE plpgsql"
PINNED = "SET search_path = pg_catalog, pg_temp"


def hardening(report: Report) -> list[tuple[str, str]]:
    """Return what is said of the event triggers."""
    return [(each.code, each.object) for each in report.findings if each.code.startswith("KMS44")]


POSTURE = ("KMS441", "schema public")


def test_with_and_without_event_triggers_a_database_is_what_the_package_made(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        plain = validate(connection)
        apply(connection)
        hardened = validate(connection, strict=True)
        remove(connection)
        removed = validate(connection)
    for report in (plain, hardened, removed):
        assert found(report) == []
        assert hardening(report) == [POSTURE]
        assert not report.fails()
    assert [is_in_force(report.findings) for report in (plain, hardened, removed)] == [False, True, False]
    assert said(plain) == said(removed) == f"open: {', '.join((*REFUSED, *LEFT_OPEN))}"
    assert said(hardened) == f"refused: {', '.join(REFUSED)}; open: {', '.join(LEFT_OPEN)}"


def said(report: Report) -> str:
    (finding,) = (each for each in report.findings if each.code == "KMS441")
    return finding.actual


TAMPERED = {
    "switched off": (f"ALTER EVENT TRIGGER {DROPS} DISABLE", f"event trigger {DROPS}"),
    "not for replicas": (f"ALTER EVENT TRIGGER {COMMANDS} ENABLE", f"event trigger {COMMANDS}"),
    "for replicas alone": (f"ALTER EVENT TRIGGER {STARTS} ENABLE REPLICA", f"event trigger {STARTS}"),
    "gone": (f"DROP EVENT TRIGGER {REWRITES}", f"event trigger {REWRITES}"),
    "renamed": (f"ALTER EVENT TRIGGER {REWRITES} RENAME TO other", f"event trigger {REWRITES}"),
    "for some commands alone": (
        f"DROP EVENT TRIGGER {DROPS}; CREATE EVENT TRIGGER {DROPS} ON sql_drop WHEN TAG IN ('DROP VIEW')"
        f" EXECUTE FUNCTION public_hardening.refuse_drops(); ALTER EVENT TRIGGER {DROPS} ENABLE ALWAYS",
        f"event trigger {DROPS}",
    ),
    "at another event": (
        f"DROP EVENT TRIGGER {DROPS}; CREATE EVENT TRIGGER {DROPS} ON ddl_command_start"
        f" EXECUTE FUNCTION public_hardening.refuse_drops(); ALTER EVENT TRIGGER {DROPS} ENABLE ALWAYS",
        f"event trigger {DROPS}",
    ),
    "another function": (
        "CREATE FUNCTION public.calm() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        f" DROP EVENT TRIGGER {DROPS}; CREATE EVENT TRIGGER {DROPS} ON sql_drop EXECUTE FUNCTION calm();"
        f" ALTER EVENT TRIGGER {DROPS} ENABLE ALWAYS",
        f"event trigger {DROPS}",
    ),
    "an empty body": (f"{EMPTY} {PINNED} AS 'BEGIN END'", "function public_hardening.refuse_drops"),
    "no pinned search_path": (
        "ALTER FUNCTION public_hardening.refuse_drops() RESET search_path",
        "function public_hardening.refuse_drops",
    ),
    "the rights of its owner": (
        "ALTER FUNCTION public_hardening.refuse_drops() SECURITY DEFINER",
        "function public_hardening.refuse_drops",
    ),
}
"""What a superuser does to them, and what is named; the SQL that fixes it is run."""

BY_THE_COMMAND = {
    "a right on a function": (
        "GRANT EXECUTE ON FUNCTION public_hardening.refuse_drops() TO PUBLIC",
        "function public_hardening.refuse_drops",
    ),
    "a right on the schema": ("GRANT CREATE ON SCHEMA public_hardening TO {owner}", "schema public_hardening"),
    "the owner of the tables owns the schema": (
        "ALTER SCHEMA public_hardening OWNER TO {owner}",
        "schema public_hardening",
    ),
    "the owner of the tables owns a function": (
        "ALTER FUNCTION public_hardening.refuse_drops() OWNER TO {owner}",
        "function public_hardening.refuse_drops",
    ),
}
"""What the command fixes, and no statement of the finding's."""


@pytest.mark.parametrize("how", TAMPERED)
def test_changed_event_triggers_are_found_and_fixed(own: Hardened, how: str) -> None:
    change, about = TAMPERED[how]
    execute(own.superuser, change)
    report = validate(own.superuser)
    assert hardening(report) == [POSTURE, ("KMS442", about)]
    assert report.fails()
    assert not is_in_force(report.findings)
    (fix,) = (each.remediation for each in report.findings if each.code == "KMS442")
    execute(own.superuser, fix or "")
    execute(own.superuser, "DROP EVENT TRIGGER IF EXISTS other")
    assert hardening(validate(own.superuser)) == [POSTURE]


@pytest.mark.parametrize("how", BY_THE_COMMAND)
def test_objects_of_another_owner_are_found_and_recreated(own: Hardened, how: str) -> None:
    change, about = BY_THE_COMMAND[how]
    execute(own.superuser, change.replace("{owner}", own.owner_name))
    assert hardening(validate(own.superuser)) == [POSTURE, ("KMS442", about)]
    if "OWNER TO" in change and "SCHEMA" in change:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="belongs to"):
            apply(own.superuser)
        execute(own.superuser, "ALTER SCHEMA public_hardening OWNER TO CURRENT_USER")
    apply(own.superuser)
    assert hardening(validate(own.superuser)) == [POSTURE]


def test_a_schema_with_something_else_in_it_is_found_and_left_alone(own: Hardened) -> None:
    execute(own.superuser, "CREATE FUNCTION public_hardening.other() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    assert hardening(validate(own.superuser)) == [POSTURE, ("KMS442", "function public_hardening.other")]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="other"):
        apply(own.superuser)


def test_functions_without_event_triggers_are_half_of_it(own: Hardened) -> None:
    """What a restore by a role that is no superuser leaves."""
    for trigger in event_triggers("public"):
        execute(own.superuser, f"DROP EVENT TRIGGER {trigger.name}")
    missing = sorted(("KMS442", f"event trigger {each.name}") for each in event_triggers("public"))
    report = validate(own.superuser)
    assert sorted(hardening(report)[1:]) == missing
    for finding in report.findings:
        if finding.code == "KMS442":
            execute(own.superuser, finding.remediation or "")
    assert hardening(validate(own.superuser)) == [POSTURE]


def test_a_setting_that_switches_them_off_is_found(own: Hardened) -> None:
    """The setting came with 17; before that, it cannot be made."""
    setting = f"ALTER DATABASE {own.database.name} SET event_triggers = off"
    if own.superuser.info.server_version < 170000:
        with pytest.raises(psycopg.errors.UndefinedObject):
            execute(own.superuser, setting)
        return
    execute(own.superuser, setting)
    execute(own.superuser, f"GRANT SET ON PARAMETER event_triggers TO {own.owner_name}")
    report = validate(own.superuser)
    assert hardening(report)[:1] + sorted(hardening(report)[1:]) == [
        ("KMS443", f"setting of every role in database {own.database.name}"),
        POSTURE,
    ]
    assert not is_in_force(report.findings)
    (fix,) = (each.remediation for each in report.findings if each.code == "KMS443")
    with closing(own.database.connect()) as session:
        execute(session, "ALTER TABLE key_audit_logs DISABLE TRIGGER prevent_key_audit_log_update")
        execute(session, "ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER prevent_key_audit_log_update")
    execute(own.superuser, fix or "")
    assert hardening(validate(own.superuser)) == [POSTURE]
    execute(own.superuser, f"REVOKE SET ON PARAMETER event_triggers FROM {own.owner_name}")


def test_a_role_that_may_switch_them_off_is_found(own: Hardened) -> None:
    if own.superuser.info.server_version < 170000:
        parameters = execute(own.superuser, "SELECT FROM pg_settings WHERE name = 'event_triggers'").fetchall()
        assert parameters == []
        return
    role = f"{own.owner_name}_x"
    execute(own.superuser, f"CREATE ROLE {role}; GRANT SET ON PARAMETER event_triggers TO {role}")
    try:
        report = validate(own.superuser)
        (finding,) = (each for each in report.findings if each.code == "KMS444")
        assert finding.object == f"role {role}"
        execute(own.superuser, finding.remediation or "")
        assert hardening(validate(own.superuser)) == [POSTURE]
    finally:
        drop_roles(own.superuser, role)


def test_others_event_triggers_are_still_named(own: Hardened) -> None:
    execute(own.superuser, "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    execute(own.superuser, "CREATE EVENT TRIGGER theirs ON ddl_command_end EXECUTE FUNCTION f()")
    named = [each.object for each in validate(own.superuser).findings if each.code == "KMS417"]
    execute(own.superuser, "DROP EVENT TRIGGER theirs")
    assert named == ["event trigger theirs"]


def test_a_long_name_of_a_schema_is_refused_and_validated(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        with pytest.raises(ValueError, match="up to 46 bytes"):
            apply(connection, "s" * 47)
    assert len(hardening_schema("s" * 46)) <= 63
    assert max(len(each.name) for each in event_triggers("s" * 46)) <= 63
