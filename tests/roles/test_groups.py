"""Group roles beside their privileges on tables: logins, memberships, the schema and the database."""

import pytest

from kms_schema import validate
from kms_schema.roles.definition import Role
from support.reports import found
from support.statements import execute
from tests.roles.granted import Granted

pytestmark = pytest.mark.only_on("postgresql")


def test_a_group_that_is_more_than_that_is_named_and_fixed(granted: Granted) -> None:
    app, sealer, database = granted.prefix + Role.APP, granted.prefix + Role.SEALER, granted.database.name
    execute(granted.superuser, f"GRANT {sealer} TO {app}; ALTER ROLE {sealer} LOGIN")
    execute(granted.superuser, f"GRANT TEMPORARY ON DATABASE {database} TO PUBLIC, {app}, pg_monitor")
    execute(granted.superuser, f"GRANT USAGE ON SCHEMA public TO pg_monitor, {app}")
    named = [each for each in validate(granted.superuser).findings if each.code in {"KMS438", "KMS439", "KMS448"}]
    assert [(each.code, each.object, each.actual) for each in named] == [
        ("KMS438", f"role {app}", f"a member of {sealer}"),
        ("KMS438", f"role {sealer}", "has LOGIN"),
        ("KMS439", f"database {database}", f"TEMPORARY for PUBLIC; TEMPORARY for role {app}"),
        ("KMS448", "schema public", "USAGE for PUBLIC; USAGE for role pg_monitor"),
    ]
    for each in named:
        execute(granted.superuser, each.remediation or "")
    assert not {each.code for each in named} & {each.code for each in validate(granted.superuser).findings}


def test_a_group_that_lacks_the_schema_or_the_database_is_named_and_fixed(granted: Granted) -> None:
    app, sealer, database = granted.prefix + Role.APP, granted.prefix + Role.SEALER, granted.database.name
    lost = "REVOKE USAGE ON SCHEMA public FROM {}; REVOKE CONNECT ON DATABASE {} FROM {}"
    execute(granted.superuser, lost.format(sealer, database, app))
    assert found(validate(granted.superuser)) == [], "PUBLIC has both"
    execute(granted.superuser, lost.format("PUBLIC", database, "PUBLIC"))
    report = validate(granted.superuser)
    missing = [each for each in report.findings if each.code == "KMS302"]
    assert [(each.object, each.actual) for each in missing] == [
        (f"database {database}", f"no CONNECT for role {app}"),
        ("schema public", f"no USAGE for role {sealer}"),
    ]
    with granted.member(Role.APP) as somebody:
        assert found(validate(granted.superuser)) == found(report)
        name = somebody.url.split("//")[1].split(":")[0]
        execute(granted.superuser, f"GRANT CONNECT ON DATABASE {database} TO {name}")
        assert found(validate(granted.superuser)) == [("KMS302", "schema public")], "each login has it"
    for each in missing:
        execute(granted.superuser, each.remediation or "")
    assert found(validate(granted.superuser)) == []
