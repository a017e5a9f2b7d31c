"""Every privilege of every role on everything, asked of the server and held against the table of docs/roles.md."""

import re

import pytest

from kms_schema.roles.definition import GRANTEES, REMOVAL, Role
from support.engines.programs import REPOSITORY
from tests.roles.granted import Granted

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

PAGE = (REPOSITORY / "docs" / "roles.md").read_text(encoding="utf-8")

# What a role has by itself or from PUBLIC, in the schema, on its database, and on the tables that are not ours: as the
# server decides, not as its lists of privileges say.
HELD = """
WITH role (name) AS (SELECT unnest(%(roles)s::text[])),
relation AS (
    SELECT c.oid, c.relname::text AS name, c.relkind FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'S', 'p', 'f')
)
SELECT role.name, relation.name, '', privilege
FROM role, relation, unnest(%(on_relations)s::text[]) AS privilege
WHERE relation.relkind <> 'S' AND has_table_privilege(role.name, relation.oid, privilege)
UNION ALL
SELECT role.name, relation.name, a.attname::text, privilege
FROM role, relation JOIN pg_attribute a ON a.attrelid = relation.oid AND NOT a.attisdropped,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
WHERE relation.relkind <> 'S' AND has_column_privilege(role.name, relation.oid, a.attnum, privilege)
    AND NOT has_table_privilege(role.name, relation.oid, privilege)
UNION ALL
SELECT role.name, relation.name, '', privilege
FROM role, relation, unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS privilege
WHERE relation.relkind = 'S' AND has_sequence_privilege(role.name, relation.oid, privilege)
UNION ALL
SELECT role.name, f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')', '', 'EXECUTE'
FROM role, pg_proc f
WHERE f.pronamespace = 'public'::regnamespace AND has_function_privilege(role.name, f.oid, 'EXECUTE')
UNION ALL
SELECT role.name, 'the schema', '', privilege
FROM role, unnest(ARRAY['USAGE', 'CREATE']) AS privilege WHERE has_schema_privilege(role.name, 'public', privilege)
UNION ALL
SELECT role.name, 'the database', '', privilege
FROM role, unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) AS privilege
WHERE has_database_privilege(role.name, current_database(), privilege)
"""
ON_RELATIONS = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
FIRST_WITH_MAINTAIN = 170000

Privilege = tuple[str, str, str, str]
"""Role, object, column or nothing, and what it may do there."""


def in_the_table() -> set[Privilege]:
    """Take the table of the page apart: a row an object, a column a role, and `INSERT (a, b)` a right on columns."""
    (table,) = re.findall(r"<!-- generated: privileges -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    rows = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in table.splitlines()]
    roles, held = rows[0][1:], set()
    for thing, *cells in rows[2:]:
        for role, cell in zip(roles, cells, strict=True):
            for privilege, columns in re.findall(r"([A-Z]+)(?: \(([^)]*)\))?", cell):
                held |= {(role, thing, column, privilege) for column in (columns.split(", ") if columns else [""])}
    return held


def test_every_privilege_of_every_role_is_in_the_table_and_no_other(common: Granted) -> None:
    with_maintain = common.superuser.info.server_version >= FIRST_WITH_MAINTAIN
    asked = [*ON_RELATIONS, "MAINTAIN"] if with_maintain else ON_RELATIONS
    roles = [common.prefix + role for role in GRANTEES]
    rows = common.superuser.execute(HELD, {"roles": roles, "on_relations": asked}).fetchall()
    held = {(role.removeprefix(common.prefix), *rest) for role, *rest in rows}
    listed = in_the_table()
    assert len(listed) > 150
    assert sorted(held - listed) == []
    assert sorted(listed - held) == []


def test_public_has_connect_and_usage_and_nothing_else(common: Granted) -> None:
    """A role without any membership has what PUBLIC has."""
    with common.member() as nobody:
        asked = {"roles": [nobody.url.split("//")[1].split(":")[0]], "on_relations": ON_RELATIONS}
        held = {tuple(rest) for _, *rest in common.superuser.execute(HELD, asked).fetchall()}
    assert held == {("the database", "", "CONNECT"), ("the schema", "", "USAGE")}


def test_no_right_may_be_granted_on(common: Granted) -> None:
    lists = common.superuser.execute(
        "SELECT relacl::text[] FROM pg_class UNION ALL SELECT attacl::text[] FROM pg_attribute"
        " UNION ALL SELECT proacl::text[] FROM pg_proc UNION ALL SELECT nspacl::text[] FROM pg_namespace"
        " UNION ALL SELECT datacl::text[] FROM pg_database"
    ).fetchall()
    names = tuple(f"{common.prefix}{role}=" for role in GRANTEES)
    ours = [item for (acl,) in lists for item in acl or () if item.startswith(names)]
    assert len(ours) > 50
    assert [item for item in ours if "*" in item] == []


def test_everything_belongs_to_the_owner_role_without_login(common: Granted) -> None:
    owners = common.superuser.execute(
        "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION SELECT DISTINCT pg_get_userbyid(proowner)::text FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND proname || '()' <> %s",
        (REMOVAL,),
    ).fetchall()
    of_removal = common.superuser.execute(
        "SELECT pg_get_userbyid(proowner)::text FROM pg_proc WHERE proname || '()' = %s", (REMOVAL,)
    ).fetchall()
    assert (owners, of_removal) == ([(common.prefix + Role.OWNER,)], [(common.prefix + Role.REMOVER,)])


def test_the_roles_are_groups_without_attributes_or_memberships(common: Granted) -> None:
    names = [common.prefix + role for role in Role]
    attributes = common.superuser.execute(
        "SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s) AND NOT (rolcanlogin OR rolsuper OR rolcreaterole"
        " OR rolcreatedb OR rolreplication OR rolbypassrls)",
        (names,),
    ).fetchall()
    memberships = common.superuser.execute(
        "SELECT count(*) FROM pg_auth_members WHERE pg_get_userbyid(member) = ANY (%s)"
        " OR (pg_get_userbyid(roleid) = ANY (%s) AND NOT (SELECT rolsuper FROM pg_roles r WHERE r.oid = member))",
        (names, names),
    ).fetchall()
    assert (attributes, memberships) == ([(len(names),)], [(0,)])
