"""Settings of a role, a database or a client change no finding, and stop no check."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from kms_schema import validate
from kms_schema.database.url import redact
from support.client_settings import RENDERING
from support.engines import Database, Engine
from support.programs.installed import kms_schema
from support.reports import found, run
from support.rows.smallest import active_key_master, insert
from support.statements import execute
from tests.audit.trails import seal_all
from tests.resilience.names import in_quotes

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

SHORT_TIMEOUTS = {
    "lock_timeout": "1ms", "idle_in_transaction_session_timeout": "1ms", "statement_timeout": "20ms",
    "transaction_timeout": "20ms",
}  # fmt: skip
SINCE = {"transaction_timeout": 17, "standard_conforming_strings": 0}


@pytest.mark.parametrize("settings", [RENDERING, SHORT_TIMEOUTS], ids=["rendering", "short timeouts"])
def test_settings_of_the_database_change_nothing(database: Database, settings: dict[str, str]) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        version = connection.info.server_version // 10000
        for name, value in settings.items():
            if version >= SINCE.get(name, 0):
                connection.execute(
                    sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                        sql.Identifier(connection.info.dbname), sql.Identifier(name),
                        sql.SQL(value) if name == "search_path" else sql.Literal(value),
                    )
                )  # fmt: skip
    done = kms_schema("validate", "--database-url", database.url)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "error" not in done.stdout


def test_functions_are_for_everybody_whatever_the_default_privileges_are(empty_database: Database) -> None:
    """Each INSERT draws an id, with the privileges of who inserts."""
    with closing(empty_database.connect()) as connection:
        execute(connection, "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    empty_database.alembic("upgrade", "head")
    with closing(empty_database.connect()) as connection:
        may = "SELECT has_function_privilege('pg_monitor', 'public.kms_uuidv7()', 'EXECUTE')"
        assert execute(connection, may).fetchone() == (True,)
        assert found(validate(connection)) == []


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP", "SJIS"])
def test_the_encoding_of_the_client_changes_nothing(database: Database, encoding: str) -> None:
    done = kms_schema("validate", "--database-url", database.url, PGCLIENTENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def encoded(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of another encoding, migrated."""
    empty = engine.create()
    with closing(empty.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        name = f"{connection.info.dbname}_encoded"
        made = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C'"
        connection.execute(made.encode())
    database = Database(empty.engine_name, "postgresql", empty.url.rpartition("/")[0] + f"/{name}")
    upgraded = kms_schema("upgrade", "head", "--database-url", database.url)
    assert upgraded.returncode == 0, upgraded.stderr
    yield database
    engine.drop(database)
    engine.drop(empty)


@pytest.mark.parametrize("encoded", [pytest.param("LATIN1", marks=pytest.mark.full), "EUC_JP"], indirect=True)
@pytest.mark.versions("newest")
def test_a_database_of_any_encoding_is_as_the_package_made_it(encoded: Database) -> None:
    done = kms_schema("validate", "--database-url", encoded.url, "--level", "data", "--probe")
    assert (done.returncode, done.stderr) == (0, f"database: {redact(encoded.url)}\n"), done.stdout


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_a_database_of_bytes_is_read_as_it_is(encoded: Database) -> None:
    assert kms_schema("validate", "--database-url", encoded.url).returncode == 0
    with closing(encoded.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        connection.execute(b'CREATE INDEX "caf\xe9" ON key_audit_logs (user_id)')
        assert found(validate(connection)) == [("KMS132", "index caf\\xe9")]
    done = kms_schema("validate", "--database-url", encoded.url)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
@pytest.mark.versions("newest")
def test_lists_and_verification_read_a_database_of_bytes(encoded: Database) -> None:
    with closing(encoded.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        key = insert(connection, "key_masters", **active_key_master())
        seal_all(connection)
        execute(connection, "ALTER TABLE key_audit_seals DISABLE TRIGGER ALL")
        execute(connection, r"UPDATE key_audit_seals SET origin = E'a\xff'")
    where = ("--database-url", encoded.url)
    listed = kms_schema("audit", "list", *where)
    assert (listed.returncode, key["key_id"] in listed.stdout, "b'" in listed.stdout) == (0, True, False), listed.stderr
    verified = kms_schema("audit", "verify", *where)
    assert verified.returncode == 1
    assert "seal 1 cannot be read: the text of a note is UTF-8" in verified.stdout


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
@pytest.mark.versions("newest")
def test_an_entry_of_bytes_that_are_no_text_is_a_fault(encoded: Database) -> None:
    with closing(encoded.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        insert(connection, "key_masters", **active_key_master())
        seal_all(connection)
        insert(connection, "key_masters", **active_key_master())
        execute(connection, "ALTER TABLE key_audit_logs DISABLE TRIGGER ALL")
        [(last,)] = execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchall()
        changed = r"UPDATE key_audit_logs SET user_agent = E'a\xff' WHERE sequence IN (1, :last)"
        execute(connection, changed, {"last": last})
        seal_all(connection)
    verified = kms_schema("audit", "verify", "--database-url", encoded.url)
    assert (verified.returncode, verified.stderr) == (1, ""), verified.stderr
    for said in ("(sequence 1) is not what was sealed", f"(sequence {last}) has a text that is not UTF-8"):
        assert said in verified.stdout


def test_many_objects_with_our_names_elsewhere_are_none_of_ours(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(
            connection,
            """DO $$ BEGIN FOR i IN 1..200 LOOP
                EXECUTE format('CREATE SCHEMA s%s', i);
                EXECUTE format('CREATE TABLE s%s.key_masters (id uuid, key_id text CHECK (key_id <> %L))', i, '');
                EXECUTE format('CREATE FUNCTION s%s.kms_uuidv7() RETURNS int LANGUAGE sql AS $f$SELECT 1$f$', i);
                EXECUTE format('CREATE SEQUENCE s%s.key_audit_logs_sequence_seq', i);
            END LOOP; END $$""",
        )
        assert found(validate(connection, strict=True)) == []


@pytest.mark.parametrize("schema", ["user", "_", "_1", "json_table"])
def test_a_schema_of_any_name_is_written_as_the_server_writes_it(database: Database, schema: str) -> None:
    """Functions name their schema in their text, so that only they differ after it was renamed."""
    with closing(database.connect()) as connection:
        run(connection, f"ALTER SCHEMA public RENAME TO {in_quotes(schema)}")
        report = validate(connection, schema=schema)
        assert {key.partition(" ")[0] for _, key in found(report)} == {"function"}
        with pytest.raises(Exception, match="there is no schema"):
            validate(connection, schema=schema + "x" * 70)
