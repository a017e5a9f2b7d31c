"""The names of objects in a checked database, and its values, do nothing in the SQL that fixes a finding."""

from collections.abc import Iterator
from contextlib import closing, suppress

import psycopg
import pytest

from kms_schema.validator.diff.findings import MANUAL_ACTION
from kms_schema.validator.host.comparison import snapshot_of, validate_host
from kms_schema.validator.host.scope import Scope
from kms_schema.validator.host.snapshots import Snapshot
from support.engines import Database, Engine
from support.engines.database import Connection
from tests.validator.host.shop import run

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

RUNS = "; DROP TABLE victim; --"
NAMES = tuple(
    f"{before}{RUNS}" for before in ("a", "a()", "a(", "a CHECK b", '"', "a, b", "a' ", "a$kms$", "{name} ", "a.b ")
)
VICTIM = "CREATE TABLE victim (id integer PRIMARY KEY, x text)"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def objects(name: str) -> str:
    """Return statements that create each kind of object with a name, some of it in a value."""
    it, text = identifier(name), name.replace("'", "''")
    return f"""
CREATE TYPE {it} AS ENUM ('{text}'); COMMENT ON TYPE {it} IS '{text}';
CREATE DOMAIN {identifier("d" + name)} AS text DEFAULT '{text}' CONSTRAINT {it} CHECK (VALUE <> '{text}');
CREATE TABLE {identifier("t" + name)} ({it} integer PRIMARY KEY, y text DEFAULT '{text}');
CREATE TABLE {identifier("u" + name)} (id serial PRIMARY KEY, {it} integer REFERENCES {identifier("t" + name)});
COMMENT ON COLUMN {identifier("t" + name)}.{it} IS '{text}';
GRANT SELECT ({it}), UPDATE ({it}) ON {identifier("t" + name)} TO PUBLIC;
ALTER TABLE victim ADD CONSTRAINT {it} CHECK (x <> '{text}');
CREATE INDEX {identifier("i" + name)} ON victim (x) WHERE x <> '{text}';
CREATE FUNCTION {it}() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN RETURN NEW; /* $kms$;{text} */ END$f$;
CREATE FUNCTION {it}({it} integer) RETURNS integer LANGUAGE sql AS $f$SELECT 1 /* {text} */$f$;
CREATE PROCEDURE {identifier("p" + name)}() LANGUAGE sql AS $f$SELECT 1 /* {text} */$f$;
CREATE AGGREGATE {identifier("g" + name)} (integer) (SFUNC = int4pl, STYPE = integer);
CREATE AGGREGATE {identifier("g" + name)} (*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
GRANT EXECUTE ON FUNCTION {identifier("g" + name)}(integer) TO pg_monitor WITH GRANT OPTION;
COMMENT ON FUNCTION {it}() IS '{text}';
CREATE TRIGGER {it} BEFORE INSERT ON victim FOR EACH ROW EXECUTE FUNCTION {it}();
CREATE RULE {it} AS ON DELETE TO victim DO INSTEAD NOTHING;
CREATE POLICY {it} ON victim USING (x <> '{text}');
CREATE VIEW {identifier("v" + name)} AS SELECT id AS {it} FROM victim WHERE x <> '{text}';
CREATE STATISTICS {identifier("s" + name)} ON id, x FROM victim;
CREATE SEQUENCE {identifier("q" + name)};
"""  # noqa: S608  (the names are hostile on purpose)


@pytest.fixture
def checked(engine: Engine) -> Iterator[Database]:
    database = engine.create()
    with closing(database.connect()) as connection:
        run(connection, VICTIM)
    yield database
    engine.drop(database)


def apply_all(connection: Connection, expected: Snapshot) -> list[str]:
    """Run each fix twice, a failing one too, and return the objects that still have SQL."""
    for _ in range(3):
        findings = validate_host(connection, [expected], Scope()).findings
        for finding in findings:
            with suppress(psycopg.Error):
                run(connection, str(finding.remediation))
            assert connection.execute("SELECT to_regclass('victim') IS NOT NULL").fetchone() == (True,), finding
    findings = validate_host(connection, [expected], Scope()).findings
    return [each.object for each in findings if not str(each.remediation).startswith(MANUAL_ACTION)]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_runs_in_a_fix(name: str, checked: Database, engine: Engine) -> None:
    other = engine.create(checked)
    try:
        with closing(checked.connect()) as plain, closing(other.connect()) as full:
            run(full, objects(name))
            empty, whole = (snapshot_of(each, Scope()) for each in (plain, full))
            assert validate_host(full, [whole], Scope()).findings == ()
            missing = apply_all(plain, whole)
            assert [each for each in missing if "(" in each] == [], "each routine is created as expected"
            unexpected = apply_all(full, empty)
            assert [each for each in unexpected if not each.startswith(("column ", "sequence "))] == []
    finally:
        engine.drop(other)


@pytest.mark.parametrize("name", NAMES)
def test_privileges_on_a_column_are_granted_and_revoked(name: str, checked: Database) -> None:
    it = identifier(name)
    with closing(checked.connect()) as connection:
        run(connection, f"ALTER TABLE victim ADD {it} integer")
        without = snapshot_of(connection, Scope())
        run(connection, f"GRANT SELECT ({it}) ON victim TO pg_monitor WITH GRANT OPTION")
        run(connection, f"GRANT UPDATE ({it}) ON victim TO PUBLIC")
        granted = snapshot_of(connection, Scope())
        for expected in (without, granted):
            assert apply_all(connection, expected) == []


@pytest.mark.parametrize(
    ("expected", "there", "value"),
    [
        ("varchar(5)", "text", "1234567890"),
        ("numeric(10, 2)", "numeric", "1.239"),
        ("date", "timestamptz", "2026-01-01 10:00:00+00"),
        ("real", "double precision", "0.123456789012"),
        ("jsonb", "json", '{"a": 1, "a": 2}'),
    ],
)
def test_a_fix_of_a_type_changes_no_value(expected: str, there: str, value: str, checked: Database) -> None:
    with closing(checked.connect()) as connection:
        run(connection, f"ALTER TABLE victim ADD y {expected}")
        snapshot = snapshot_of(connection, Scope())
        run(connection, f"ALTER TABLE victim DROP y, ADD y {there}")
        run(connection, f"INSERT INTO victim (id, y) VALUES (1, '{value}')")  # noqa: S608
        [finding] = validate_host(connection, [snapshot], Scope()).findings
        with pytest.raises(psycopg.Error, match=r"values would change|invalid input syntax"):
            run(connection, str(finding.remediation))
        run(connection, "DELETE FROM victim")
        run(connection, str(finding.remediation))
        assert validate_host(connection, [snapshot], Scope()).findings == ()


def test_an_identity_keeps_its_sequence(checked: Database) -> None:
    with closing(checked.connect()) as connection:
        run(connection, "CREATE TABLE counted (id integer GENERATED ALWAYS AS IDENTITY, x text)")
        snapshot = snapshot_of(connection, Scope())
        run(
            connection,
            "INSERT INTO counted (x) VALUES ('a'), ('b'); ALTER TABLE counted ALTER id SET GENERATED BY DEFAULT",
        )
        [finding] = validate_host(connection, [snapshot], Scope()).findings
        run(connection, str(finding.remediation))
        assert validate_host(connection, [snapshot], Scope()).findings == ()
        assert connection.execute("INSERT INTO counted (x) VALUES ('c') RETURNING id").fetchone() == (3,)
