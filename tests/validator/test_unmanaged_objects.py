"""`--strict` names every kind of object that can be in a schema, and none that belongs to an extension."""

from collections.abc import Mapping
from contextlib import closing

import psycopg
import pytest

from kms_schema.validator import validate
from support.engines import Database
from support.programs.commands import kms_schema
from support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

OBJECTS: Mapping[str, tuple[str, ...]] = {
    "CREATE TABLE t (a integer PRIMARY KEY, b text)": ("table t",),
    "CREATE TABLE p (a integer) PARTITION BY RANGE (a)": ("partitioned table p",),
    "CREATE VIEW v AS SELECT 1 AS a": ("view v",),
    "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a": ("materialized view m",),
    "CREATE SEQUENCE s": ("sequence s",),
    "CREATE TYPE c AS (a integer)": ("composite type c",),
    "CREATE TYPE e AS ENUM ('a')": ("type e",),
    "CREATE DOMAIN d AS integer CHECK (VALUE > 0)": ("type d",),
    "CREATE TYPE shell": ("type shell",),
    "CREATE FUNCTION f(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < $2'": (
        "function f(integer, integer)",
    ),
    "CREATE PROCEDURE pr() LANGUAGE sql AS ''": ("function pr()",),
    "CREATE AGGREGATE ag (integer) (SFUNC = int4pl, STYPE = integer)": ("function ag(integer)",),
    "CREATE OPERATOR <<< (FUNCTION = f, LEFTARG = integer, RIGHTARG = integer)": (
        "operator public.<<<(integer,integer)",
    ),
    "CREATE OPERATOR FAMILY fam USING btree": ("operator family public.fam USING btree",),
    "CREATE OPERATOR CLASS cl FOR TYPE integer USING btree AS OPERATOR 1 <": (
        "operator class public.cl USING btree",
        "operator family public.cl USING btree",
    ),
    "CREATE COLLATION co (locale = 'C')": ("collation co",),
    "CREATE CONVERSION cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8": ("conversion cv",),
    "CREATE TEXT SEARCH CONFIGURATION tc (COPY = simple)": ("text search configuration tc",),
    "CREATE TEXT SEARCH DICTIONARY td (TEMPLATE = simple)": ("text search dictionary td",),
    "CREATE TEXT SEARCH PARSER tp (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,"
    " LEXTYPES = prsd_lextype)": ("text search parser tp",),
    "CREATE TEXT SEARCH TEMPLATE tt (LEXIZE = dsimple_lexize)": ("text search template tt",),
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC": (
        "default acl for role postgres in schema public on tables",
    ),
    "CREATE FOREIGN DATA WRAPPER fdw": (),
    "CREATE SERVER sv FOREIGN DATA WRAPPER fdw": (),
    "CREATE USER MAPPING FOR PUBLIC SERVER sv": (),
    "CREATE FOREIGN TABLE ft (a integer) SERVER sv": ("foreign table ft",),
    "CREATE CAST (c AS integer) WITH INOUT": (),
    "CREATE POLICY po ON t USING (true)": (),
    "CREATE RULE ru AS ON DELETE TO t DO INSTEAD NOTHING": (),
    "CREATE STATISTICS st ON a, b FROM t": (),
    "CREATE PUBLICATION pt FOR TABLE t": (),
    "CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION suppress_redundant_updates_trigger()": (),
    "CREATE ACCESS METHOD am TYPE INDEX HANDLER bthandler": (),
    "CREATE TYPE r AS RANGE (SUBTYPE = integer)": ("type r",),
    "COMMENT ON TABLE t IS 'of the host'": (),
}
"""Statements that make objects, each with those that belong to the schema and not to one of its tables."""
SINCE_15 = {"CREATE PUBLICATION ps FOR TABLES IN SCHEMA public": ("publication namespace public in publication ps",)}


def made(connection: psycopg.Connection[object]) -> set[str]:
    """Make every object that the version knows, and return their names."""
    version = connection.info.server_version // 10_000
    names: set[str] = set()
    for statements, since in ((OBJECTS, 13), (SINCE_15, 15)):
        for statement, found in statements.items():
            if version >= since and not statement.startswith("CREATE EVENT TRIGGER"):
                execute(connection, statement)
                names.update(found)
    return names


def test_every_kind_of_object_has_a_name(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        expected = made(connection)
        findings = validate(connection, strict=True).findings
    named = {each.object for each in findings if each.code == "KMS902"}
    assert named == expected
    for style in ("text", "json", "sarif"):
        assert kms_schema("validate", "--strict", "--format", style, url=database.url).status in {0, 1}


@pytest.mark.parametrize("extension", ["tablefunc", "hstore"])
def test_what_belongs_to_an_extension_is_left_out(database: Database, extension: str) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        available = "SELECT count(*) FROM pg_available_extensions WHERE name = :name"
        if execute(connection, available, {"name": extension}).fetchone() == (0,):
            assert connection.info.server_version < 180_000  # npm's packages have none
            return
        before = {each.object for each in validate(connection, strict=True).findings}
        execute(connection, f"CREATE EXTENSION {extension} SCHEMA public")
        after = {each.object for each in validate(connection, strict=True).findings}
    assert after - before == {f"extension {extension}"}
