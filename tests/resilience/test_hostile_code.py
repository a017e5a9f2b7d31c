"""Reading a catalog runs nothing that is in it, and nothing that hides the catalog's own names is looked at."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal

import psycopg
import pytest
from psycopg.types.json import set_json_loads

from kms_schema import validate
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import drop_roles
from support.reports import found, report_on, run

REVISION = "revision of the database"
EVIL = """CREATE FUNCTION evil(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$"""

IN_THE_CATALOG = {
    "an index": ("CREATE INDEX extra ON key_view_refreshes (evil(view_name))", "KMS132"),
    "a check": ("ALTER TABLE key_masters ADD CONSTRAINT extra CHECK (evil(key_id)) NOT VALID", "KMS122"),
    "a default": ("ALTER TABLE key_masters ALTER status SET DEFAULT evil(current_user)::text", "KMS113"),
    "a policy": ("CREATE POLICY extra ON key_masters USING (evil(key_id))", "KMS202"),
    "a rule": ("CREATE RULE extra AS ON UPDATE TO key_masters WHERE evil(new.key_id) DO INSTEAD NOTHING", "KMS192"),
}


@pytest.mark.only_on("postgresql")
def test_nothing_in_the_catalog_runs(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(connection, EVIL)
        run(connection, "TRUNCATE key_view_refreshes")
        for statement, _ in IN_THE_CATALOG.values():
            run(connection, statement)
        wanted = sorted(code for _, code in IN_THE_CATALOG.values())
        assert sorted(code for code, _ in found(validate(connection))) == wanted


VERSION_TABLES = {
    "a policy": (
        "CREATE POLICY p ON alembic_version USING (evil(version_num));"
        " ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "row-level security",
    ),
    "a cast": (
        """CREATE TYPE made AS (v text);
        CREATE FUNCTION made_text(made) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'ran'; END$$;
        CREATE CAST (made AS text) WITH FUNCTION made_text(made);
        ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc;
        ALTER TABLE alembic_version ALTER version_num TYPE made USING row(version_num)::made""",
        "is of type public.made",
    ),
    "a generated column": (
        """ALTER TABLE alembic_version DROP COLUMN version_num;
        ALTER TABLE alembic_version ADD COLUMN version_num text GENERATED ALWAYS AS (repeat('x', 3)) STORED""",
        "generated column",
    ),
    "a partitioned table": (
        "DROP TABLE alembic_version;"
        " CREATE TABLE alembic_version (version_num varchar(32)) PARTITION BY LIST (version_num)",
        "partitioned",
    ),
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("drift", VERSION_TABLES.values(), ids=list(VERSION_TABLES))
def test_reading_the_revision_runs_nothing(database: Database, drift: tuple[str, str]) -> None:
    """The role that validates may be a superuser, the table's owner not."""
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        role = f"{connection.info.dbname}_reader"
        run(connection, f"CREATE ROLE {role}")
        try:
            run(connection, EVIL)
            run(connection, drift[0])
            run(connection, f"GRANT SELECT ON alembic_version TO {role}")
            run(connection, f"SET ROLE {role}" if "policy" in drift[0].lower() else "SELECT")
            report = validate(connection)
            run(connection, "RESET ROLE")
        finally:
            run(connection, "RESET ROLE")
            drop_roles(connection, role)
    (unknown,) = [finding for finding in report.findings if finding.code == "KMS901"]
    assert (unknown.object, drift[1] in unknown.actual) == (REVISION, True)
    assert report.fails()
    retyped = [
        finding.remediation for finding in report.findings if finding.object == "column alembic_version.version_num"
    ]
    assert not any("::text" in (fix or "") for fix in retyped)


@pytest.mark.only_on("postgresql")
def test_asking_the_rows_runs_no_cast(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(
            connection,
            """CREATE TYPE made AS (v text);
            CREATE FUNCTION made_text(made) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'ran'; END$$;
            CREATE CAST (made AS text) WITH FUNCTION made_text(made) AS IMPLICIT;
            ALTER TABLE hsm_configurations ADD COLUMN extra made""",
        )
        report = validate(connection, level="data")
    assert found(report) == [
        ("KMS112", "column hsm_configurations.extra"),
        ("KMS901", "column hsm_configurations.extra"),
    ]
    assert "casts of its own" in report.findings[1].actual


@pytest.mark.only_on("postgresql")
def test_a_null_or_many_rows_in_the_version_table_are_reported(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(
            connection,
            """ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc;
            ALTER TABLE alembic_version ALTER version_num DROP NOT NULL, ALTER version_num TYPE text;
            UPDATE alembic_version SET version_num = NULL;
            INSERT INTO alembic_version SELECT repeat(i::text, 100000) FROM generate_series(1, 500) i""",
        )
        report = validate(connection)
    assert {code for code, _ in found(report)} >= {"KMS003", "KMS113", "KMS121"}
    assert max(len(finding.actual) for finding in report.findings) < 1000
    assert sum(finding.code == "KMS003" for finding in report.findings) <= 100


SHADOWS = """
CREATE FUNCTION public.format_type(oid, integer) RETURNS text LANGUAGE sql AS $$SELECT 1/0::text::integer || ''$$;
CREATE FUNCTION public.quote_ident(text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'::text$$;
CREATE FUNCTION public.pg_get_constraintdef(oid) RETURNS text LANGUAGE sql AS $$SELECT 'evil'::text$$;
CREATE FUNCTION public.evil_equals(name, text) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.evil_equals);
CREATE TABLE public.pg_class (oid oid, relname name); CREATE VIEW public.pg_trigger AS SELECT 1 AS oid;
CREATE TEMP TABLE pg_class (oid oid); CREATE TEMP TABLE pg_namespace (oid oid); CREATE TEMP VIEW pg_proc AS SELECT 1;
CREATE TEMP TABLE text (evil integer); CREATE TEMP TABLE jsonb (evil integer); CREATE TEMP TABLE regclass (e integer);
SET search_path = pg_temp, public, pg_catalog"""


def test_objects_that_hide_catalog_names_are_not_used(database: Database) -> None:
    with closing(database.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            # A view may call what this connection has not, and a module be one that is not loaded here.
            run(
                connection,
                """CREATE VIEW pragma_table_xinfo AS SELECT no_such_function(1) AS name;
                CREATE TEMP VIEW pragma_table_info AS SELECT no_such_function(1) AS name;
                CREATE TABLE other (a, b AS (abs(-9223372036854775807 - 1)));
                CREATE TRIGGER elsewhere AFTER INSERT ON other BEGIN SELECT no_such_function(1); END""",
            )
            connection.execute("PRAGMA writable_schema = on")
            connection.execute(
                """INSERT INTO sqlite_schema VALUES
                ('table', 'virtual', 'virtual', 0, 'CREATE VIRTUAL TABLE virtual USING no_such_module(a)')"""
            )
            connection.execute("PRAGMA writable_schema = reset")
        else:
            run(connection, SHADOWS)
        assert found(validate(connection)) == []


@pytest.mark.only_on("sqlite")
def test_a_revision_that_is_computed_is_unknown(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(
            connection,
            "DROP TABLE alembic_version;"
            " CREATE TABLE alembic_version (v, version_num AS (hex(zeroblob(v))) VIRTUAL);"
            " INSERT INTO alembic_version (v) VALUES (1)",
        )
        report = validate(connection)
    assert ("KMS901", REVISION) in found(report)
    assert report.fails()


def with_json_as_the_application_has_it(connection: Connection) -> None:
    assert isinstance(connection, psycopg.Connection)
    set_json_loads(lambda text: {"application": text}, connection)
    connection.adapters.register_loader("text", connection.adapters.get_loader(17, 0))  # type: ignore[arg-type]
    connection.row_factory = psycopg.rows.dict_row  # type: ignore[assignment]
    connection.cursor_factory = psycopg.ClientCursor


def with_values_as_the_application_has_them(connection: Connection) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.text_factory = bytes
    connection.row_factory = sqlite3.Row


def test_adapters_of_the_application_change_nothing(database: Database) -> None:
    prepare: Callable[[Connection], None] = with_json_as_the_application_has_it
    if database.dialect == "sqlite":
        prepare = with_values_as_the_application_has_them
    with closing(database.connect()) as connection:
        prepare(connection)
        assert found(validate(connection)) == []
        if isinstance(connection, sqlite3.Connection):
            assert connection.text_factory is bytes


@pytest.mark.only_on("sqlite")
def test_converters_of_the_application_are_not_called(database: Database) -> None:
    sqlite3.register_converter("TEXT", lambda _: Decimal(0))
    try:
        with closing(sqlite3.connect(database.name, detect_types=sqlite3.PARSE_DECLTYPES)) as connection:
            assert found(validate(connection)) == []
    finally:
        sqlite3.converters.pop("TEXT")


@pytest.mark.only_on("sqlite")
def test_a_name_that_is_no_text_is_written_in_bytes(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(connection, "CREATE INDEX extra ON key_audit_logs (user_id)")
        connection.execute("PRAGMA writable_schema = on")
        connection.execute(
            "UPDATE sqlite_schema SET sql = CAST(replace(CAST(sql AS blob), 'extra', x'22ff22') AS text),"
            " name = CAST(x'ff' AS text) WHERE name = 'extra'"
        )
    assert found(report_on(database)) == [("KMS132", "index \\xff")]
