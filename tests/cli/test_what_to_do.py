"""Errors that many commands have in common: each says what to do, in the same words for all commands."""

import pytest

from support.engines import Database
from support.login_roles import login
from support.programs.commands import kms_schema

ROLES = {
    "audit list": "kms_auditor",
    "audit append --event-type E --category SECURITY --description D": "in kms_rotator or kms_admin: a member of",
    "audit seal": "kms_sealer",
    "audit status": "kms_auditor",
    "hsm list": "kms_admin",
    "keys rotate orders": "kms_rotator",
    "policies list": "kms_admin",
    "refresh": "kms_sealer",
    "roles --apply": "a superuser, or as the owner of the tables with CREATEROLE",
    "rotations due": "kms_rotator",
}
"""Commands, each with the role that a login needs for it."""
REFUSED = "postgresql://somebody@127.0.0.1:1/none"


@pytest.mark.only_on("postgresql")
def test_a_missing_privilege_names_the_role_that_has_it(database: Database) -> None:
    with login(database) as seen:
        for command, role in ROLES.items():
            said = kms_schema(*command.split(), url=seen.url)
            assert (said.status, role in said.error) == (3, True), (command, said.error)


def test_a_database_without_the_schema_names_the_upgrade(empty_database: Database) -> None:
    if empty_database.dialect == "sqlite":
        empty_database.connect().close()
    for command in (*ROLES, "audit verify", "destroy-version k 1 --yes", "validate", "keys list"):
        said = kms_schema(*command.split(), url=empty_database.url)
        if said.status != 2:  # SQLite has no roles
            assert (said.status in (1, 3), "kms-schema upgrade" in said.all) == (True, True), (command, said.all)
            assert said.out == "" or command == "validate", (command, said.out)


@pytest.mark.only_on("postgresql")
def test_a_server_that_does_not_answer() -> None:
    for command in ROLES:
        said = kms_schema(*command.split(), url=REFUSED)
        assert (said.status, "check that the server runs" in said.error) == (3, True), (command, said.error)
        assert "\n" not in said.error
        assert f"cannot connect to {REFUSED}: " in said.error
