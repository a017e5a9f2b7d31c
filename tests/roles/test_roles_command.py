"""`kms-schema roles` as people type it."""

import json
import re

import pytest

from kms_schema.roles.definition import GRANTEES, Role
from support.engines import Database
from support.engines.client_programs import address, client
from support.programs.commands import kms_schema
from tests.roles.granted import Granted


def test_it_prints_the_sql_and_asks_no_database() -> None:
    said = kms_schema("roles", "--prefix", "shop_")
    assert said.status == 0
    assert said.out.startswith("BEGIN;\n")
    assert said.out.endswith("COMMIT;\n")
    for role in GRANTEES:
        assert f"shop_{role}" in said.out
    assert json.loads(kms_schema("roles", "--prefix", "shop_", "--format", "json").out) == {
        "prefix": "shop_",
        "schema": "public",
        "sql": said.out,
    }


def test_a_wrong_prefix_is_wrong_usage() -> None:
    said = kms_schema("roles", "--prefix", "pg_")
    assert (said.status, said.out) == (2, "")
    assert "a prefix is" in said.error


@pytest.mark.only_on("sqlite")
def test_on_sqlite_there_are_no_roles(database: Database) -> None:
    said = kms_schema("roles", "--apply", url=database.url)
    assert (said.status, said.out) == (2, "")
    assert "SQLite has no roles" in said.error


@pytest.mark.only_on("postgresql")
def test_it_applies_what_psql_has_run_already(granted: Granted) -> None:
    """The printed script and --apply are one and the same."""
    granted.superuser.execute(f"REVOKE ALL ON key_masters FROM {granted.prefix}kms_app".encode())
    script = kms_schema("roles", "--prefix", granted.prefix, "--owner").out
    options = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", address(granted.database))
    ran = client("psql", *options, given=script)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    said = kms_schema("roles", "--apply", "--owner", "--prefix", granted.prefix, url=granted.database.url)
    assert said.status == 0
    assert re.fullmatch(r"8 roles; privileges and policies: 0 granted, 0 revoked, [1-9]\d+ unchanged\n", said.out)
    assert "--verbose" not in said.err


@pytest.mark.only_on("postgresql")
def test_it_says_what_it_changed(granted: Granted) -> None:
    app = granted.prefix + Role.APP
    changes = f"REVOKE SELECT ON key_masters FROM {app}; GRANT DELETE ON key_masters TO {app}"  # noqa: S608
    granted.superuser.execute(changes.encode())
    options = ("roles", "--apply", "--prefix", granted.prefix)
    changed = json.loads(kms_schema(*options, "--format", "json", url=granted.database.url).out)
    number = changed.pop("unchanged")
    assert changed == {
        "granted": [f"{app}: SELECT ON relation key_masters"],
        "revoked": [f"{app}: DELETE ON relation key_masters"],
    }
    granted.superuser.execute(changes.encode())
    said = kms_schema(*options, "--verbose", url=granted.database.url)
    assert said.out == f"8 roles; privileges and policies: 1 granted, 1 revoked, {number} unchanged\n"
    assert f"+ {app}: SELECT ON relation key_masters\n- {app}: DELETE ON relation key_masters\n" in said.err


@pytest.mark.only_on("postgresql")
def test_who_may_not_is_told_so(granted: Granted) -> None:
    with granted.member(Role.ADMIN) as somebody:
        said = kms_schema("roles", "--apply", "--prefix", granted.prefix, url=somebody.url)
    assert (said.status, said.out) == (3, "")
    assert "permission denied" in said.error
