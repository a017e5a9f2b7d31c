"""The measured server: a started one, or one at a URL, and the URLs that are refused."""

import os
import secrets

import click
import psycopg
from psycopg import sql

from kms_schema.cli.connections import connected
from kms_schema.cli.database_errors import CannotConnect
from kms_schema.database.url import DatabaseUrlError, parse_database_url, redact
from support.engines import Engine, EngineUnavailableError
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.engines.sqlite import SqliteEngine

PREFIX = "kms_benchmark"
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "256MB",
}
"""Settings of a started server. Commits reach the disk, unlike with the settings of the tests' servers."""
MOST_SHARED_BUFFERS_MB = 2_048
TABLES = (
    "key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations", "key_audit_logs",
)  # fmt: skip
OURS = """SELECT namespace.nspname, class.relname,
    has_table_privilege(class.oid, 'SELECT') AND has_schema_privilege(namespace.oid, 'USAGE')
FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind IN ('r', 'p') AND class.relname = ANY (%s) ORDER BY namespace.nspname, class.relname"""
FIRST_ENTRY = "sequence = 1 AND event_type = 'system_init'"


def open_engine(name: str, url: str | None) -> Engine:
    """Start a server for an engine, named as in the tests, or connect to the one at `url`.

    Raises `UsageError` for a refused URL, and `CannotConnect`.
    """
    prefix = f"{PREFIX}_{secrets.token_hex(3)}"
    try:
        if url is not None:
            return _reached(url, prefix)
        if name.startswith("sqlite"):
            return SqliteEngine(name)
        options = [word for setting in settings().items() for word in ("--set", "=".join(setting))]
        programs = find_programs(int(name.removeprefix("postgresql-")))
        return PostgresqlEngine(name, programs, (*options, "--on-disk"), prefix=prefix)
    except EngineUnavailableError as error:
        raise click.UsageError(str(error)) from None


def settings() -> dict[str, str]:
    """Return the settings of a started server on this machine."""
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {**SETTINGS, "shared_buffers": f"{min(megabytes // 4, MOST_SHARED_BUFFERS_MB)}MB"}


def _reached(url: str, prefix: str) -> Engine:
    """Return the server at a URL; the database of the URL is not written to."""
    try:
        target = parse_database_url(url)
    except DatabaseUrlError as error:
        raise click.UsageError(str(error)) from None
    if target.engine != "postgresql":
        raise click.UsageError(
            f"{redact(url)}: --database-url is for PostgreSQL; --engine sqlite measures SQLite, in a file of its own"
        )
    with connected(url, application="kms-schema benchmark") as connection:
        if not isinstance(connection, psycopg.Connection):
            raise CannotConnect(f"{redact(url)} is no PostgreSQL")
        refuse_data(connection, redact(url))
        _refuse_without_createdb(connection, redact(url))
        major = connection.info.server_version // 10_000
    return PostgresqlEngine(f"postgresql-{major}", url=target.sqlalchemy_url(), prefix=prefix)


def refuse_data(connection: "psycopg.Connection[tuple[object, ...]]", where: str) -> None:
    """Raise `UsageError` if a table of ours in the database has rows, or may not be read.

    A benchmark creates its own databases; a URL of a database with keys is most likely a mistake.
    """
    for schema, table, readable in connection.execute(OURS, (list(TABLES),)).fetchall():
        if not readable or _has_rows(connection, str(schema), str(table)):
            raise click.UsageError(
                f"{where}: {schema}.{table} holds data, and a benchmark takes the disk and the processors that its"
                " users need: name a server, or at least a database, that has none"
            )


def _has_rows(connection: "psycopg.Connection[tuple[object, ...]]", schema: str, table: str) -> bool:
    condition = sql.SQL(f"NOT ({FIRST_ENTRY})" if table == "key_audit_logs" else "true")
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(sql.Identifier(schema, table), condition)
    return connection.execute(query).fetchone() == (True,)


def _refuse_without_createdb(connection: "psycopg.Connection[tuple[object, ...]]", where: str) -> None:
    query = "SELECT rolcreatedb OR rolsuper, quote_ident(current_user) FROM pg_roles WHERE rolname = current_user"
    ((may, role),) = connection.execute(query).fetchall()
    if not may:
        raise click.UsageError(
            f"{where}: a benchmark makes databases of its own, and drops them; let the role: ALTER ROLE {role} CREATEDB"
        )
