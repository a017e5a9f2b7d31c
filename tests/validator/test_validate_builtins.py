"""Built-in objects that a superuser replaced, and objects in pg_catalog that a call can mean instead, are found."""

import re
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from kms_schema import validate
from kms_schema.database import system_catalogs
from kms_schema.validator import Finding, ValidationError
from kms_schema.validator.catalog import builtins
from support.engines import Database
from support.reports import run
from tools.builtins import digests_of, keys_of

on_postgresql = pytest.mark.only_on("postgresql")
Connection = psycopg.Connection[tuple[str, ...]]

CHANGES = {
    "function pg_catalog.btrim(text)": (
        "CREATE OR REPLACE FUNCTION pg_catalog.btrim(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT"
        " AS $$SELECT $1 || 'x'$$"
    ),
    "function pg_catalog.btrim(text,text)": (
        "CREATE OR REPLACE FUNCTION pg_catalog.btrim(text, text) RETURNS text LANGUAGE plpgsql"
        " AS $$BEGIN RETURN 'x'; END$$"
    ),
    "function pg_catalog.texteq(text,text)": (
        "CREATE OR REPLACE FUNCTION pg_catalog.texteq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 <> $2'"
    ),
    "function pg_catalog.now()": "ALTER FUNCTION pg_catalog.now() IMMUTABLE",
    'function pg_catalog.concat_ws(text,"any")': 'ALTER FUNCTION pg_catalog.concat_ws(text, VARIADIC "any") STRICT',
    "function pg_catalog.octet_length(bytea)": "ALTER FUNCTION pg_catalog.octet_length(bytea) OWNER TO pg_monitor",
    "function pg_catalog.textanycat(text,anynonarray)": (
        "CREATE OR REPLACE FUNCTION pg_catalog.textanycat(text, anynonarray) RETURNS text"
        " LANGUAGE internal AS 'textcat'"
    ),
    'aggregate pg_catalog.count("any")': (
        'CREATE OR REPLACE AGGREGATE pg_catalog.count("any")'
        " (sfunc = int8inc_any, stype = int8, initcond = 5, parallel = safe)"
    ),
    "view pg_catalog.pg_timezone_names": (
        "CREATE OR REPLACE VIEW pg_catalog.pg_timezone_names AS"
        " SELECT 'x'::text AS name, 'x'::text AS abbrev, interval '0' AS utc_offset, false AS is_dst"
    ),
    "function pg_catalog.btrim(character varying)": (
        "CREATE FUNCTION pg_catalog.btrim(varchar) RETURNS text LANGUAGE sql AS $$SELECT 'x'::text$$"
    ),
    "operator pg_catalog.<>(character varying,text)": (
        "CREATE FUNCTION never(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR pg_catalog.<> (LEFTARG = varchar, RIGHTARG = text, FUNCTION = never)"
    ),
    "cast from jsonb to text": (
        "CREATE FUNCTION said(jsonb) RETURNS text LANGUAGE sql AS $$SELECT '{}'::text$$;"
        "CREATE CAST (jsonb AS text) WITH FUNCTION said(jsonb)"
    ),
    "cast from bytea to text": "CREATE CAST (bytea AS text) WITHOUT FUNCTION",
    # They would let the query say that they are none.
    "operator pg_catalog.>=(oid,integer)": (
        "CREATE FUNCTION never(oid, int) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR pg_catalog.>= (LEFTARG = oid, RIGHTARG = int, FUNCTION = never)"
    ),
}
NAMED_FUNCTIONS = {
    "operators of pg_catalog": "UPDATE pg_operator SET oprcode = 'byteaeq' WHERE oid = '<>(bytea,bytea)'::regoperator",
    "casts of pg_catalog": (
        "UPDATE pg_cast SET castfunc = 'jsonb_array_length(jsonb)'::regprocedure"
        " WHERE castsource = 'jsonb'::regtype AND casttarget = 'int4'::regtype"
    ),
    "function pg_catalog.jsonb_out0(jsonb)": "ALTER FUNCTION pg_catalog.jsonb_out(jsonb) RENAME TO jsonb_out0",
    "types of pg_catalog": "UPDATE pg_type SET typinput = 'textin' WHERE oid = 'inet'::regtype",
    "operator classes of pg_catalog": "UPDATE pg_amproc SET amproc = 'btint8cmp' WHERE amproc = 'uuid_cmp'::regproc",
    "language plpgsql": "UPDATE pg_language SET lanplcallfoid = 0 WHERE lanname = 'plpgsql'",
}
"""Changes of the functions that built-in objects name, and of the name of one, which makes room for another."""
USUAL = (
    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO pg_monitor",
    "CREATE CAST (varchar AS uuid) WITH INOUT AS IMPLICIT",
    "CREATE FUNCTION btrim(varchar) RETURNS text LANGUAGE sql AS $$SELECT ''::text$$",
    "CREATE FUNCTION pg_catalog.of_an_extension(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "COMMENT ON FUNCTION pg_catalog.btrim(text) IS 'mine'",
)
"""What administrators, applications and extensions do."""


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as opened:
        assert isinstance(opened, psycopg.Connection)
        yield opened


def found(connection: Connection) -> dict[str, Finding]:
    return {each.object: each for each in validate(connection).findings if each.code == "KMS445"}


@on_postgresql
@pytest.mark.versions("oldest and newest")
@pytest.mark.parametrize("about", NAMED_FUNCTIONS)
def test_another_function_of_a_built_in_object_is_found(connection: Connection, about: str) -> None:
    run(connection, NAMED_FUNCTIONS[about])
    assert list(found(connection)) == [about]


@on_postgresql
@pytest.mark.versions("oldest and newest")
def test_each_change_of_a_built_in_object_is_found(connection: Connection) -> None:
    assert found(connection) == {}
    for change in CHANGES.values():
        run(connection, change)
    findings = found(connection)
    assert sorted(findings) == sorted(CHANGES)
    for finding in findings.values():
        if "DROP" in (finding.remediation or ""):
            run(connection, str(finding.remediation))
    assert sorted(findings.keys() - found(connection).keys()) == [
        "cast from bytea to text", "cast from jsonb to text", "function pg_catalog.btrim(character varying)",
        "operator pg_catalog.<>(character varying,text)", "operator pg_catalog.>=(oid,integer)",
    ]  # fmt: skip


MISLEADING = (
    "CREATE FUNCTION {schema}.same(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE OPERATOR {schema}.= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = {schema}.same)",
    "CREATE FUNCTION {schema}.btrim(varchar) RETURNS text LANGUAGE sql AS $$SELECT ''::text$$",
)
"""What anybody may create who has CREATE on a schema."""


@on_postgresql
@pytest.mark.versions("oldest and newest")
def test_operators_and_functions_on_a_search_path_are_found(connection: Connection) -> None:
    name = f'"{connection.info.dbname}"'
    for schema in ("public", "here", "elsewhere"):
        run(connection, f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for statement in MISLEADING:
            run(connection, statement.format(schema=schema))
    run(connection, f"ALTER DATABASE {name} SET search_path = pg_catalog, here")
    findings = [each for each in validate(connection).findings if each.code in ("KMS451", "KMS452")]
    assert [(each.code, each.object, each.actual) for each in findings] == [
        ("KMS451", "operators of schema here", "=(character varying,text)"),
        ("KMS451", "operators of schema public", "=(character varying,text)"),
        ("KMS452", "functions of schema here", "btrim(character varying)"),
        ("KMS452", "functions of schema public", "btrim(character varying)"),
    ]
    for finding in findings:
        run(connection, str(finding.remediation))
    assert [each for each in validate(connection).findings if each.code in ("KMS451", "KMS452")] == []


@on_postgresql
@pytest.mark.versions("oldest and newest")
def test_objects_that_are_found_before_ours_are_found(connection: Connection) -> None:
    name, login = f'"{connection.info.dbname}"', f'"{connection.info.user}"'
    for schema in ("here", "after", "elsewhere", login):
        run(connection, f"CREATE SCHEMA {schema}")
    for relation in ("here.key_versions", "after.key_versions", "elsewhere.key_versions", "here.alembic_version"):
        run(connection, f"CREATE VIEW {relation} AS SELECT 'active' AS status")
    run(connection, f"CREATE TABLE {login}.key_masters (status text)")
    run(connection, "SET allow_system_table_mods = on")
    run(connection, "CREATE TABLE pg_catalog.key_audit_logs (action text)")
    found = [each.object.replace('"', "") for each in validate(connection).findings if each.code == "KMS457"]
    assert sorted(found) == ["table pg_catalog.key_audit_logs", f"table {connection.info.user}.key_masters"]
    run(connection, f"ALTER DATABASE {name} SET search_path = here, public, after")
    found = [each.object for each in validate(connection).findings if each.code == "KMS457"]
    assert "view here.key_versions" in found
    assert not {"view after.key_versions", "view elsewhere.key_versions", "view here.alembic_version"} & set(found)
    run(connection, "CREATE FUNCTION pg_catalog.refresh_key_views() RETURNS text LANGUAGE sql AS $$SELECT 'mine'$$")
    for schema in ('"a,b"', '"say ""no"""'):
        run(connection, f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.key_masters (status text)")
        run(connection, f"CREATE FUNCTION {schema}.refresh_key_views() RETURNS text LANGUAGE sql AS $$SELECT 'mine'$$")
        run(connection, f"ALTER DATABASE {name} SET search_path = {schema}, public")
        found = [each.object for each in validate(connection).findings if each.code == "KMS457"]
        expected = {f"table {schema}.key_masters", f"function {schema}.refresh_key_views"}
        assert expected | {"function pg_catalog.refresh_key_views"} <= set(found)


@on_postgresql
def test_a_cast_that_fails_is_named(connection: Connection) -> None:
    run(connection, "CREATE FUNCTION fails(text) RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$")
    run(connection, "CREATE CAST (text AS int) WITH FUNCTION fails(text)")
    with pytest.raises(ValidationError, match=r"no: .* what is not PostgreSQL's \(cast from text to integer\)"):
        validate(connection)


CATALOGS = {
    "pg_rewrite": (
        "ALTER TABLE pg_catalog.pg_rewrite RENAME TO pg_rewrite0;"
        "CREATE VIEW pg_catalog.pg_rewrite AS SELECT * FROM pg_catalog.pg_rewrite0"
    ),
    "pg_class": (
        "ALTER TABLE pg_catalog.pg_class RENAME TO pg_class0;"
        "CREATE VIEW pg_catalog.pg_class AS SELECT * FROM pg_catalog.pg_class0"
    ),
    "pg_cast": (
        "ALTER TABLE pg_catalog.pg_cast RENAME TO pg_cast0;"
        "CREATE TABLE pg_catalog.pg_cast AS SELECT * FROM pg_catalog.pg_cast0"
    ),
    "pg_roles": (
        "ALTER VIEW pg_catalog.pg_roles RENAME TO pg_roles0;"
        "CREATE MATERIALIZED VIEW pg_catalog.pg_roles AS SELECT * FROM pg_catalog.pg_roles0"
    ),
}


@on_postgresql
@pytest.mark.versions("oldest and newest")
def test_a_catalog_with_another_relation_in_its_place_is_found(connection: Connection) -> None:
    for name, change in CATALOGS.items():
        run(connection, f"SET allow_system_table_mods = on; {change}; GRANT SELECT ON pg_catalog.{name} TO PUBLIC")
    assert {f"relation pg_catalog.{name}" for name in CATALOGS} <= found(connection).keys()


@on_postgresql
@pytest.mark.versions("oldest and newest")
def test_a_catalog_with_the_rule_of_a_view_is_not_read(connection: Connection) -> None:
    run(connection, "CREATE TABLE hidden AS SELECT * FROM pg_trigger; CREATE VIEW shown AS SELECT * FROM hidden")
    run(
        connection,
        "SET allow_system_table_mods = on; UPDATE pg_rewrite SET ev_class = 'pg_trigger'::regclass"
        " WHERE ev_class = 'shown'::regclass;"
        "UPDATE pg_class SET relhasrules = true WHERE oid = 'pg_trigger'::regclass",
    )
    with pytest.raises(ValidationError, match=r"every read failed at the same place .*: if no migration runs"):
        validate(connection)


def test_each_catalog_that_the_validator_reads_is_known() -> None:
    queries = (builtins.FILE.parent / "queries").glob("*.sql")
    read = re.compile(r"(?:FROM|JOIN) (?:pg_catalog\.)?(pg_[a-z_]+)\b(?![(.])")
    names = {each for file in queries for each in read.findall(file.read_text("utf-8"))}
    known = {*system_catalogs.CATALOGS, *system_catalogs.VIEWS, *system_catalogs.OTHERS}
    assert names - known == {"pg_dist_partition", "pg_parameter_acl"}, "of Citus, and from PostgreSQL 15 on"


MISSING = {
    "function unnest(": "ALTER FUNCTION pg_catalog.unnest(anyarray) RENAME TO away",
    "function current_database(": "ALTER FUNCTION pg_catalog.current_database() RENAME TO away",
    "function pg_get_userbyid(": "ALTER FUNCTION pg_catalog.pg_get_userbyid(oid) RENAME TO away",
    'relation "pg_catalog.pg_settings"': "ALTER VIEW pg_catalog.pg_settings RENAME TO away",
    'relation "pg_catalog.pg_roles"': "ALTER VIEW pg_catalog.pg_roles RENAME TO away",
    'type "pg_catalog.regclass"': "UPDATE pg_type SET typname = 'away' WHERE oid = 'regclass'::regtype",
}


@on_postgresql
@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_built_in_object_is_named(connection: Connection, missing: str) -> None:
    run(connection, "SET allow_system_table_mods = on; " + MISSING[missing])
    kind = missing.partition(" ")[0].replace("relation", "view")
    with pytest.raises(
        (ValidationError, psycopg.Error),
        match=rf"{re.escape(missing)}.* a built-in {kind} of PostgreSQL is missing",
    ):
        validate(connection)


@on_postgresql
def test_a_damaged_row_of_the_catalog_is_no_migration(connection: Connection) -> None:
    run(connection, "SET allow_system_table_mods = on; UPDATE pg_class SET relam = 0 WHERE relname = 'key_masters'")
    with pytest.raises(ValidationError, match=r"every read failed at the same place .* the catalog is damaged"):
        validate(connection)


@on_postgresql
@pytest.mark.versions("oldest and newest")
def test_what_changes_no_built_in_object_is_not_found(connection: Connection) -> None:
    for statement in USUAL:
        run(connection, statement)
    assert found(connection) == {}


@on_postgresql
@pytest.mark.versions("all")
def test_the_package_knows_each_built_in_object_that_it_calls(connection: Connection) -> None:
    usual = set(builtins.FILE.read_text("utf-8").split())
    assert digests_of(connection, keys_of(connection)) - usual == set(), "run tools/refresh"


@pytest.mark.parametrize(("major", "codes"), [(13, ["KMS445"]), (18, ["KMS445"]), (19, [])])
def test_a_version_to_come_may_have_other_definitions(major: int, codes: list[str]) -> None:
    row = (builtins.CODE, "function pg_catalog.btrim(text)", "00000000", "885")
    assert [code for code, *_ in builtins.without_usual([row], major)] == codes
