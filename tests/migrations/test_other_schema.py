"""Everything of ours in another PostgreSQL schema than `public`: made, checked, validated and removed there."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.migrate import program
from kms_schema.migrate.options import MigrationOptions
from kms_schema.models import KeyMaster
from support.catalog import Catalog, catalog, differences
from support.engines import Database, Engine, Engines
from support.engines.database import Connection
from support.programs.commands import kms_schema
from support.programs.shop import ONE_HISTORY, open_shop
from support.revisions import revisions
from support.rows.smallest import audit_entry, insert, key_master
from support.statements import execute, refused
from tests.migrations.host_indexes import WANTED
from tests.migrations.scripts import run

IN_KMS = ("-x", "schema=kms")
HOST_TABLE = """CREATE TABLE {schema}.audit_logs
    (id integer PRIMARY KEY, action_type text, user_id integer, status text, "timestamp" timestamptz)"""

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]


@pytest.fixture(scope="module")
def template_in_kms(engines: Engines, engine_name: str) -> Iterator[Database]:
    """A database with everything in the schema `kms`, to make copies of."""
    made = engines[engine_name].create()
    made.alembic(*IN_KMS, "upgrade", "head")
    yield made
    engines[engine_name].drop(made)


@pytest.fixture
def in_kms(engine: Engine, template_in_kms: Database) -> Iterator[Database]:
    """A database of the test's own with everything in the schema `kms`, and nothing in `public`."""
    made = engine.create(template_in_kms)
    yield made
    engine.drop(made)


def catalog_of(database: Database) -> Catalog:
    with closing(database.connect()) as connection:
        return catalog(connection)


def in_public(database: Database) -> list[str]:
    """Return what there is in `public`, of any kind."""
    with closing(database.connect()) as connection:
        found = execute(
            connection,
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
            UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
        ).fetchall()
    return sorted(name for (name,) in found)


def valid(database: Database, *options: str) -> bool:
    return kms_schema("validate", "--schema", "kms", "--strict", *options, url=database.url).status == 0


def test_nothing_of_ours_is_in_public_and_no_function_names_it(in_kms: Database) -> None:
    assert in_public(in_kms) == []
    with closing(in_kms.connect()) as connection:
        functions = execute(
            connection,
            "SELECT proname, proconfig, prosrc FROM pg_proc WHERE pronamespace = 'kms'::regnamespace",
        ).fetchall()
        assert len(functions) > 20
        for name, configuration, source in functions:
            inlined = name == "kms_uuidv7"  # which names the schema of all that it calls
            harmless = {
                "TimeZone=UTC",
                "jit=off",
                "enable_seqscan=off",
                "quote_all_identifiers=off",
                "bytea_output=hex",
            }
            settings = set(configuration or ()) - harmless
            assert inlined or settings == {"search_path=pg_catalog, pg_temp"}, name
            assert "public" not in source, name
            assert "{schema}" not in source, name
        called = execute(
            connection,
            """SELECT DISTINCT pronamespace::regnamespace::text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
            JOIN pg_class ON pg_class.oid = tgrelid
            WHERE relnamespace = 'kms'::regnamespace AND NOT tgisinternal""",
        ).fetchall()
        assert called == [("kms",)]


@pytest.mark.parametrize("path", ["public", "decoy, public", "kms, public"])
def test_the_triggers_work_whatever_the_clients_search_path_is(in_kms: Database, path: str) -> None:
    with closing(in_kms.connect()) as connection:
        execute(connection, "CREATE SCHEMA decoy")
        execute(connection, "CREATE TABLE decoy.key_masters (LIKE kms.key_masters)")
        execute(connection, f"SET search_path = {path}")
        insert(connection, "kms.key_audit_logs", **audit_entry())
        assert execute(connection, "SELECT max(sequence) FROM kms.key_audit_logs").fetchone() == (2,)
        refused(connection, "DELETE FROM kms.key_audit_logs", {}, rule="prevent_key_audit_log_delete")
        insert(connection, "kms.key_masters", **key_master())
        change = "UPDATE kms.key_masters SET status = 'archived'"
        refused(connection, change, {}, rule="enforce_key_lifecycle_consistency")
        execute(connection, "SELECT kms.refresh_key_views()")
        assert execute(connection, "SELECT count(*) FROM kms.key_health_monitor").fetchone() == (1,)


def by_alembic(database: Database) -> Callable[..., object]:
    return lambda *words: database.alembic(*IN_KMS, *words)


def by_the_program(database: Database) -> Callable[..., object]:
    def command(*words: str) -> None:
        said = kms_schema(*words, "--schema", "kms", url=database.url)
        assert said.status == 0, said.all

    return command


@pytest.mark.parametrize("way", [by_alembic, pytest.param(by_the_program, marks=pytest.mark.versions("newest"))])
def test_up_down_and_up_again_leaves_no_trace(
    empty_database: Database, way: Callable[[Database], Callable[..., object]]
) -> None:
    command = way(empty_database)
    command("upgrade", "head")
    before = catalog_of(empty_database)
    assert valid(empty_database)
    assert "No new upgrade operations detected" in empty_database.alembic(*IN_KMS, "check")
    command("downgrade", "004")
    command("upgrade", "head")
    assert differences(before, catalog_of(empty_database)) == {}
    command("downgrade", "base")
    left = {name for name in catalog_of(empty_database) if "kms." in name or name == "schema kms"}
    assert {name for name in left if "alembic_version" not in name} == {"schema kms"}
    command("upgrade", "head")
    assert differences(before, catalog_of(empty_database)) == {}


def test_the_script_run_by_psql_makes_the_same_catalog(in_kms: Database, database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "DROP SCHEMA public CASCADE")
        execute(connection, "CREATE SCHEMA public")
    run(database, database.alembic(*IN_KMS, "upgrade", "head", "--sql"))
    mine, theirs = catalog_of(in_kms), catalog_of(database)
    assert [name for name in differences(mine, theirs) if "public" not in name] == []
    assert in_public(database) == []
    assert valid(database)
    in_kms.alembic(*IN_KMS, "downgrade", "base")
    script = database.alembic(*IN_KMS, "downgrade", "head:base", "--sql")
    run(database, script.replace("DROP TABLE kms.alembic_version;", ""))
    mine, theirs = catalog_of(in_kms), catalog_of(database)
    assert [name for name in differences(mine, theirs) if "public" not in name] == []


def test_two_histories_of_ours_in_one_database_do_not_meet(database: Database) -> None:
    public = catalog_of(database)
    database.alembic(*IN_KMS, "upgrade", "head")
    assert valid(database)
    assert kms_schema("validate", url=database.url).status == 0
    assert program.current(database.url, MigrationOptions(schema="kms")) == (revisions()[-1],)
    database.alembic(*IN_KMS, "downgrade", "base")
    changed = differences(public, catalog_of(database))
    assert [name for name in changed if "kms" not in name] == []


def indexes_of(connection: Connection, schema: str) -> set[tuple[str, ...]]:
    rows = execute(
        connection,
        """SELECT array_agg(attname::text ORDER BY attnum) FROM pg_index JOIN pg_attribute ON attrelid = indexrelid
        WHERE indrelid = (:table)::regclass AND NOT indisprimary GROUP BY indexrelid""",
        {"table": f"{schema}.audit_logs"},
    ).fetchall()
    return {tuple(columns) for (columns,) in rows}


def test_only_the_table_audit_logs_of_the_same_schema_is_indexed(empty_database: Database) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE SCHEMA kms")
        for schema in ("public", "kms"):
            execute(connection, HOST_TABLE.format(schema=schema))
        before = catalog(connection)
        empty_database.alembic(*IN_KMS, "upgrade", "head")
        assert (indexes_of(connection, "kms"), indexes_of(connection, "public")) == (WANTED, set())
        empty_database.alembic(*IN_KMS, "downgrade", "base")
        after = {name: facts for name, facts in catalog(connection).items() if "alembic_version" not in name}
        assert differences(before, after) == {}


@pytest.mark.versions("newest")
def test_a_host_has_us_in_another_schema_and_its_version_table_stays(tmp_path: Path, empty_database: Database) -> None:
    shop = open_shop(tmp_path / "shop", empty_database, ONE_HISTORY)
    shop.alembic("upgrade", "shop@head")
    before = in_public(empty_database)
    shop.alembic(*IN_KMS, "upgrade", "heads")
    assert in_public(empty_database) == before
    assert valid(empty_database, "--version-table", "public.alembic_version")
    assert "No new upgrade operations detected" in shop.alembic(*IN_KMS, "check")
    shop.alembic(*IN_KMS, "downgrade", "kms@base")
    shop.alembic(*IN_KMS, "upgrade", "kms@head")
    assert in_public(empty_database) == before
    assert valid(empty_database, "--version-table", "public.alembic_version")


@pytest.mark.versions("newest")
def test_a_hosts_script_into_another_schema_does_what_its_upgrade_does(
    tmp_path: Path, empty_database: Database, database: Database
) -> None:
    shop = open_shop(tmp_path / "shop", empty_database, ONE_HISTORY)
    script = shop.alembic(*IN_KMS, "upgrade", "heads", "--sql")
    with closing(database.connect()) as connection:
        execute(connection, "DROP SCHEMA public CASCADE")
        execute(connection, "CREATE SCHEMA public")
    run(database, script)
    shop.alembic(*IN_KMS, "upgrade", "heads")
    assert in_public(database) == in_public(empty_database)
    mine, theirs = catalog_of(empty_database), catalog_of(database)
    assert [name for name in differences(mine, theirs) if "kms." in name] == []


@pytest.mark.versions("newest")
def test_the_models_are_used_there_by_a_schema_translate_map(in_kms: Database) -> None:
    engine = in_kms.engine().execution_options(schema_translate_map={None: "kms"})
    with sa.orm.Session(engine) as session:
        session.add(KeyMaster(**key_master()))
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(KeyMaster)) == 1
    engine.dispose()
