"""Check whether an upgrade may begin: its statements, the locks it takes, and problems. Nothing is changed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.database.url import DatabaseUrl, parse_database_url, redact
from kms_schema.engine import create_engine
from kms_schema.migrate.environment import search_path_of
from kms_schema.migrate.faults import CannotMigrateError, MigrationError, described
from kms_schema.migrate.lock import locked
from kms_schema.migrate.options import MigrationOptions
from kms_schema.migrate.proxy import refuse_shared_processes
from kms_schema.preflight import catalog_check, postgresql, sqlite
from kms_schema.preflight.plan import plan_upgrade
from kms_schema.preflight.verdict import Disk, Preflight, size
from kms_schema.validator import ValidationError

__all__ = ["Preflight", "preflight"]


def preflight(url: str, revision: str = "head", options: MigrationOptions | None = None) -> Preflight:
    """Return the plan of `upgrade REVISION` for the database at `url`, and the problems that would stop it.

    Everything is read in one read-only transaction.

    Args:
        url: a database URL, as `kms_schema.database.url` describes it.
        revision: the target, as Alembic accepts it.
        options: those that the upgrade would have; the defaults if None.

    Raises `MigrationError` if there is no connection, or the database is at an unknown revision, and
    `MigrationUsageError` if `revision` is unknown or below the current one.

    Example:
        verdict = preflight("postgresql://localhost/kms")
        if not verdict.go:
            sys.exit("\\n".join(verdict.problems))
    """
    options = options or MigrationOptions()
    target = parse_database_url(url)
    try:
        if target.engine == "sqlite":
            return _of_sqlite(url, target, revision, options)
        return _of_postgresql(url, revision, options)
    except sa.exc.SQLAlchemyError as error:
        raise described(error, url) from None


def _of_postgresql(url: str, revision: str, options: MigrationOptions) -> Preflight:
    engine = create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        pooled = _pooled(connection)
        try:
            catalog = _of_catalog(connection.connection.driver_connection, options)
        except engine.dialect.loaded_dbapi.Error as error:
            raise locked(connection, error) or CannotMigrateError(str(error).partition("\n")[0]) from None
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin(), search_path_of(connection, options.schema):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{options.lock_timeout_ms}ms'")
            plan = plan_upgrade(connection, revision, options)
            objections = [each.objection for each in plan.revisions if each.objection]
            problems = [*pooled, *postgresql.problems(connection, plan, options), *objections]
            disk = postgresql.disk(connection, plan)
            return Preflight(
                database=redact(url),
                server=f"PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}",
                plan=plan,
                held=tuple(postgresql.held(connection, plan)),
                disk=disk,
                problems=(*catalog, *problems, *_without_space(disk)) if plan.revisions else (*pooled, *catalog),
                notes=tuple(postgresql.notes(connection, plan, options)),
            )


def _pooled(connection: sa.Connection) -> list[str]:
    try:
        refuse_shared_processes(connection)
    except MigrationError as refusal:
        return [str(refusal)]
    return []


def _of_sqlite(url: str, target: DatabaseUrl, revision: str, options: MigrationOptions) -> Preflight:
    file = target.file
    if file is None:
        raise CannotMigrateError("a database in memory is always empty; name a file: sqlite:///path/to/file.db")
    try:
        file.exists()
    except OSError as error:
        raise CannotMigrateError(f"cannot read {file}: {error.strerror}") from None
    if (unread := target.unread_changes()) is not None:
        raise CannotMigrateError(unread)
    with _opened_for_reading(file, target.file_uri("ro")) as connection:
        plan = plan_upgrade(connection, revision, options)
        objections = [each.objection for each in plan.revisions if each.objection]
        disk = sqlite.disk(connection, plan, file)
        problems = [*sqlite.problems(connection, plan, file), *objections, *_without_space(disk)]
        with closing(_connect_for_reading(file, target.file_uri("ro"))) as driver_connection:
            catalog = _of_catalog(driver_connection, options)
        return Preflight(
            database=redact(url),
            server=f"SQLite {sqlite3.sqlite_version}",
            plan=plan,
            held=tuple(sqlite.held(connection, plan, file)),
            disk=disk,
            problems=(*catalog, *problems) if plan.revisions else tuple(catalog),
            notes=() if file.exists() else (f"there is no file {file}: the upgrade creates it",),
        )


@contextmanager
def _opened_for_reading(file: Path, uri: str) -> Iterator[sa.Connection]:
    """Open a SQLite file read-only; for one that does not exist, an empty database in memory."""

    engine = sa.create_engine("sqlite://", creator=partial(_connect_for_reading, file, uri), poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        yield connection


def _connect_for_reading(file: Path, uri: str) -> sqlite3.Connection:
    if not file.exists():
        return sqlite3.connect(":memory:", isolation_level=None)
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=LOCK_WAIT_SECONDS)


def _of_catalog(connection: Any, options: MigrationOptions) -> list[str]:
    """Return what is missing of the recorded revision; nothing in a schema that the upgrade creates."""
    try:
        return list(catalog_check.problems(connection, options.schema, options.version_table))
    except ValidationError as error:
        return [] if error.reason == "no_schema" else [str(error)]


def _without_space(disk: Disk) -> Iterator[str]:
    if not disk.enough:
        free = size(disk.free_bytes or 0)
        yield f"indexes take about {size(disk.needed_bytes)}, and {free} are free: free disk space first"
