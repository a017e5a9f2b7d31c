"""`kms-schema harden` as people type it: what it says, what it runs, and by whom it may be run."""

import json
import re
from contextlib import closing

import psycopg
import pytest

from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.hardening.definition import LEFT_OPEN, LEFT_OPEN_ON_SQLITE, REFUSED, event_triggers
from kms_schema.roles.applying import apply as apply_roles
from kms_schema.roles.definition import Role
from support.engines import Database
from support.login_roles import drop_roles, login
from support.programs.commands import kms_schema
from support.statements import execute
from tests.roles.granted import HAND_OVER


def in_force(database: Database) -> dict[str, bool | None]:
    """Return what the command says of each protection."""
    said = kms_schema("harden", "--format", "json", url=database.url)
    assert said.status == 0, said.all
    return {each["name"]: each["in_force"] for each in json.loads(said.out)["all"]}


@pytest.mark.only_on("postgresql")
def test_it_says_what_is_in_force_and_what_is_open(database: Database) -> None:
    before = kms_schema("harden", "--format", "json", url=database.url)
    assert json.loads(before.out)["open_attacks"] == [*REFUSED, *LEFT_OPEN]
    assert in_force(database)["event triggers"] is False
    applied = kms_schema("harden", "--apply", url=database.url)
    assert (applied.status, applied.out) == (0, "event triggers now refuse DDL on schema public\n")
    after = kms_schema("harden", "--format", "json", url=database.url)
    assert json.loads(after.out)["open_attacks"] == list(LEFT_OPEN)
    assert in_force(database) == {
        "constraints and guard triggers": True,
        "event triggers": True,
        "owner role without login or members": False,
        "roles of least privilege, with row-level security": False,
        "no other role with the power of the owner or a superuser": True,
        "seals": False,
        "external checkpoint": None,
    }
    text = kms_schema("harden", url=database.url)
    assert "--   in force  event triggers: " in text.out
    assert "--   not       seals: no seal yet" in text.out
    assert "--   unknown   external checkpoint: " in text.out
    assert all(f"--   {attack}\n" in text.out for attack in LEFT_OPEN)
    assert kms_schema("harden", "--apply", url=database.url).out == "the event triggers are in force already\n"


@pytest.mark.only_on("postgresql")
def test_what_protects_is_said_as_it_comes_and_goes(database: Database) -> None:
    """Each of these is taken away or added, and said to be."""
    assert kms_schema("audit", "seal", url=database.url).status == 0
    assert in_force(database)["seals"] is True
    with closing(database.connect()) as connection, login(database) as other:
        assert isinstance(connection, psycopg.Connection)
        name = other.url.split("//")[1].split(":")[0]
        prefix = f"{name}_"
        roles = [prefix + role for role in Role]
        try:
            apply_roles(connection, prefix=prefix, owner=True)
            said = in_force(database)
            assert said["owner role without login or members"] is True
            assert said["roles of least privilege, with row-level security"] is True
            execute(connection, f"GRANT {prefix}kms_owner TO {name}; GRANT pg_write_server_files TO {name}")
            execute(connection, "ALTER TABLE key_audit_logs DISABLE ROW LEVEL SECURITY")
            execute(connection, "ALTER TABLE key_audit_logs DISABLE TRIGGER prevent_key_audit_log_update")
            said = in_force(database)
            assert [said[name] for name in list(said)[:1] + list(said)[2:5]] == [False] * 4
        finally:
            drop_roles(connection, *roles)


@pytest.mark.only_on("postgresql")
def test_a_role_that_may_not_read_the_seals_says_so(database: Database) -> None:
    with login(database) as nobody:
        assert in_force(nobody)["seals"] is None


@pytest.mark.only_on("postgresql")
def test_what_is_printed_does_what_apply_does(database: Database) -> None:
    text = kms_schema("harden", url=database.url)
    removal = json.loads(kms_schema("harden", "--format", "json", url=database.url).out)["removal"]
    with closing(database.connect()) as connection:
        execute(connection, text.out)
        assert in_force(database)["event triggers"] is True
        assert kms_schema("harden", "--apply", url=database.url).out == "the event triggers are in force already\n"
        execute(connection, removal)
        assert execute(connection, "SELECT FROM pg_event_trigger").fetchall() == []
        gone = "SELECT to_regnamespace('public_hardening')"
        assert execute(connection, gone).fetchone() == (None,)


@pytest.mark.only_on("postgresql")
def test_remove_opens_a_window_and_says_how_to_close_it(database: Database) -> None:
    kms_schema("harden", "--apply", url=database.url)
    removed = kms_schema("harden", "--remove", url=database.url)
    assert removed.status == 0
    assert "kms-schema harden --apply" in removed.out
    again = kms_schema("harden", "--remove", "--format", "json", url=database.url)
    assert json.loads(again.out) == {"schema": "public", "hardened": False, "changed": False}


@pytest.mark.only_on("postgresql")
def test_it_does_not_run_while_an_upgrade_does(database: Database) -> None:
    with closing(database.connect()) as upgrade:
        upgrade.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        refused = kms_schema("harden", "--apply", url=database.url)
        assert refused.status == 3
        assert "lock timeout" in refused.error
        assert execute(upgrade, "SELECT FROM pg_event_trigger").fetchall() == []


@pytest.mark.only_on("postgresql")
def test_an_owner_who_is_no_superuser_is_told_what_stays_open(database: Database) -> None:
    with login(database) as owner, closing(database.connect()) as superuser:
        name = owner.url.split("//")[1].split(":")[0]
        execute(superuser, HAND_OVER.replace("{owner}", name))
        execute(superuser, f"GRANT CREATE ON DATABASE {database.name} TO {name}")
        execute(superuser, f"GRANT CREATE, USAGE ON SCHEMA public TO {name}")
        refused = kms_schema("harden", "--apply", url=owner.url)
        assert refused.status == 3
        assert "permission denied to create event trigger" in refused.error
        assert "nothing was changed" in refused.error
        assert all(attack in refused.error for attack in REFUSED)
        assert execute(superuser, "SELECT to_regnamespace('public_hardening')").fetchone() == (None,)
        assert kms_schema("harden", "--apply", url=database.url).status == 0
        removing = kms_schema("harden", "--remove", url=owner.url)
        assert removing.status == 3
        assert "the event triggers are in force" in removing.error
        assert in_force(database)["event triggers"] is True
        assert kms_schema("harden", "--remove", url=database.url).status == 0


@pytest.mark.only_on("postgresql")
def test_another_schema_is_hardened_by_itself(empty_database: Database) -> None:
    url = empty_database.url
    for schema in ("kms", "keys"):
        assert kms_schema("upgrade", "--schema", schema, url=url).status == 0
        assert kms_schema("harden", "--apply", "--schema", schema, url=url).status == 0
    with closing(empty_database.connect()) as connection:
        for schema in ("kms", "keys"):
            with pytest.raises(psycopg.errors.RestrictViolation, match=event_triggers(schema)[2].name):
                execute(connection, f"DROP TABLE {schema}.key_audit_logs CASCADE")
        assert kms_schema("harden", "--remove", "--schema", "kms", url=url).status == 0
        execute(connection, "ALTER TABLE kms.key_masters ADD more integer")
        with pytest.raises(psycopg.errors.RestrictViolation):
            execute(connection, "ALTER TABLE keys.key_masters ADD more integer")
    refused = kms_schema("downgrade", "006", "--schema", "keys", url=url)
    assert "kms-schema harden --remove --schema keys" in refused.error
    assert kms_schema("validate", "--schema", "keys", url=url).status == 0


@pytest.mark.only_on("sqlite")
def test_on_sqlite_it_says_what_stands_in_their_place(database: Database) -> None:
    said = kms_schema("harden", "--format", "json", url=database.url)
    assert said.status == 0
    document = json.loads(said.out)
    assert document["open_attacks"] == list(LEFT_OPEN_ON_SQLITE)
    assert "sql" not in document
    assert in_force(database) == {
        "constraints and guard triggers": True,
        "authorizer on connections of kms-schema": True,
        "event triggers, roles, an owner": False,
        "seals": False,
        "external checkpoint": None,
    }
    with closing(database.connect()) as connection:
        execute(connection, "DROP TRIGGER prevent_key_audit_log_update")
    assert in_force(database)["constraints and guard triggers"] is False
    assert "BEGIN" not in kms_schema("harden", url=database.url).out
    for flag in ("--apply", "--remove"):
        refused = kms_schema("harden", flag, url=database.url)
        assert refused.status == 2
        assert "SQLite has no event triggers" in refused.error


def test_where_nothing_of_ours_is_there_is_nothing_to_protect(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE theirs (id integer)")
    said = kms_schema("harden", url=empty_database.url)
    assert said.status == 3
    assert "kms-schema upgrade" in said.error
    if empty_database.dialect == "postgresql":
        refused = kms_schema("harden", "--apply", url=empty_database.url)
        assert refused.status == 3
        assert re.search(r"has no \w+, \w+, \w+ and \d+ more; run kms-schema upgrade first$", refused.error)


def test_both_at_once_is_no_usage(database: Database) -> None:
    assert kms_schema("harden", "--apply", "--remove", url=database.url).status == 2
