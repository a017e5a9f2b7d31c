"""Members of a role that must have none, and administrators of group roles: the validator names them."""

import pytest

from kms_schema import validate
from kms_schema.roles.definition import Role
from support.statements import execute
from tests.roles.granted import Granted

pytestmark = pytest.mark.only_on("postgresql")


def test_a_member_of_the_remover_and_an_administrator_of_a_group_are_named(granted: Granted) -> None:
    """By any way and with any options: also one that can neither use nor become the remover may let others."""
    app, remover, between = granted.prefix + Role.APP, granted.prefix + Role.REMOVER, granted.prefix + "between"
    options = execute(granted.superuser, "SHOW server_version_num").fetchone()[0] >= "160000"
    with granted.member() as seen:
        name = seen.url.split("//")[1].split(":")[0]
        for grants, about in {
            f"GRANT {remover} TO {name}": {name: f"a member of {remover}"},
            f"CREATE ROLE {between}; GRANT {remover} TO {between}; GRANT {between} TO {name}": {
                between: f"a member of {remover}, and through it {name}"
            },
            f"GRANT {remover} TO {name} WITH ADMIN OPTION": {
                name: f"a member of {remover}; may grant {remover}",
            },
            f"GRANT {remover} TO {name} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE": {name: f"a member of {remover}"},
            f"GRANT {remover} TO {name} WITH INHERIT FALSE, SET TRUE": {name: f"a member of {remover}"},
            f"GRANT {app} TO {name} WITH ADMIN OPTION": {name: f"may grant {app}"},
            f"GRANT {app} TO {name}": {},
        }.items():
            if "INHERIT" in grants and not options:
                continue
            execute(granted.superuser, grants)
            named = [each for each in validate(granted.superuser).findings if each.code == "KMS455"]
            assert {each.object: each.actual for each in named} == {
                f"role {role}": says for role, says in about.items()
            }
            for each in named:
                execute(granted.superuser, each.remediation or "")
            assert [each for each in validate(granted.superuser).findings if each.code == "KMS455"] == [], grants
            execute(granted.superuser, f"REVOKE {app}, {remover} FROM {name}; DROP ROLE IF EXISTS {between}")
