"""Run the revisions with a lock, time limits and checks beforehand: from `migrations/env.py`, or from a host's.

A host calls `migrate` in its own `env.py` instead of `context.configure` and `context.run_migrations`; its own
revisions run under the same lock.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from kms_schema.engine import autocommit_of
from kms_schema.migrate.conditions import refuse_what_would_fail, refuse_where_distributed, refuse_where_hardened
from kms_schema.migrate.faults import CannotMigrateError, MigrationError, MigrationUsageError, not_in_utf8
from kms_schema.migrate.lock import one_upgrade_at_a_time
from kms_schema.migrate.options import MigrationOptions
from kms_schema.migrate.revision_ids import complete_typed_revisions, is_known
from kms_schema.models.autogenerate import Hooks, hooks_for_host
from kms_schema.sql.operations import SCHEMA_OPTION


def migrate(
    connection: sa.Connection, options: MigrationOptions, *, own_names: bool = False, **configuration: Any
) -> None:
    """Run the command that Alembic was given on `connection`, one upgrade at a time.

    Every revision can refuse before the first of them runs. A transaction that the caller holds open stays open, and
    the caller commits it: neither the lock nor CONCURRENTLY is possible inside it.

    Args:
        connection: a connection of PostgreSQL or SQLite, from any engine and driver; from an asynchronous one, that of
            `await connection.run_sync(...)`. It is given back with its isolation level and settings.
        options: those of the migration.
        own_names: as this package's environment has it, unqualified names are those of `options.schema` alone, and
            autogenerate compares what `configuration` says. Otherwise unqualified names are the host's, and its
            autogenerate proposes nothing for the objects of this package, whatever hooks it gives of its own.
        configuration: arguments of `context.configure`, such as `target_metadata`.

    Raises `MigrationUsageError` for an object that is no connection, and for a transaction in AUTOCOMMIT; other
    `MigrationError`, and the errors of the driver.

    Example:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            migrate(connection, MigrationOptions(), target_metadata=Base.metadata)
    """
    if not isinstance(connection, sa.Connection):
        raise MigrationUsageError(
            f"{type(connection).__name__} is not a connection to migrate over: give a connection of SQLAlchemy, from an"
            " asynchronous one by `await connection.run_sync(...)`"
        )
    # SQLAlchemy reflects no expression index on SQLite, and warns each time; the validator compares these.
    warnings.filterwarnings("ignore", message=".*idx_key_(rotations_failed|masters_rotation)_partial")
    inside = connection.in_transaction()
    if not own_names:
        configuration |= _without_own_objects(connection, options, configuration)
    settings = options.for_context(connection.dialect.name) | {"kms_concurrently": not inside} | configuration
    context.configure(connection=connection, **settings)
    if inside and not context.get_context().opts.get("dont_mutate"):  # as for `current` and `check`
        _refuse_autocommit(connection)
    names = search_path_of(connection, options.schema) if own_names else nullcontext()
    with _surroundings(connection, options), names:
        context.configure(connection=connection, **settings)  # once more: it notes whether a transaction is open
        with context.begin_transaction():
            _create_schema(connection, options.schema)
            _run_revisions()


def _without_own_objects(connection: sa.Connection, options: MigrationOptions, configuration: dict[str, Any]) -> Hooks:
    # SQLAlchemy names SQLite's only schema `main`; in what autogenerate compares it has no name.
    default_schema = connection.dialect.default_schema_name if connection.dialect.name == "postgresql" else None
    return hooks_for_host(
        options.schema,
        default_schema=default_schema or options.schema,
        version_table=options.version_table,
        include_name=configuration.get("include_name"),
        include_object=configuration.get("include_object"),
        render_item=configuration.get("render_item"),
    )


def _surroundings(connection: sa.Connection, options: MigrationOptions) -> AbstractContextManager[Any]:
    """Return the context of a command: the upgrade's lock, one transaction to read in, or the caller's transaction."""
    if connection.in_transaction():
        if connection.dialect.name == "sqlite":
            _begin_on_foreign_engine(connection)
        return nullcontext()
    if context.get_context().opts.get("dont_mutate"):
        return connection.begin()
    if connection.dialect.name == "sqlite":
        _refuse_driver_without_commit(connection)
    return one_upgrade_at_a_time(connection, wait_seconds=options.lock_wait, lock_timeout_ms=options.lock_timeout_ms)


def write_sql(dialect: str, options: MigrationOptions, **configuration: Any) -> None:
    """Write the SQL of the command that Alembic was given, instead of running it.

    `dialect` is `postgresql` or `sqlite`; `options` are those of `-x`; `configuration` has arguments of
    `context.configure`. Raises `MigrationError` as an upgrade does.
    """
    context.configure(
        dialect_name=dialect,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **(options.for_context(dialect) | configuration),
    )
    with context.begin_transaction():
        if dialect == "postgresql":
            context.execute(f"SET lock_timeout = '{options.lock_timeout_ms}ms'")
            if options.schema != "public":
                context.execute(f"CREATE SCHEMA IF NOT EXISTS {options.schema}")
        _run_revisions()


@contextmanager
def search_path_of(connection: sa.Connection, schema: str) -> Iterator[None]:
    """Set the search_path of `connection` to `schema` inside the block, whatever the role's setting is.

    Alembic compares models with the current schema. On SQLite nothing is done.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    inside = connection.in_transaction()
    path_before = connection.scalar(sa.text("SELECT pg_catalog.current_setting('search_path')"))
    name_before = connection.dialect.default_schema_name
    _set_search_path(connection, f"{schema}, pg_temp", for_transaction=inside)
    connection.dialect.default_schema_name = schema
    try:
        yield
        if not inside:
            connection.commit()  # what ran outside of any revision, such as `alembic ensure_version`
    finally:
        connection.dialect.default_schema_name = name_before
        if not connection.closed and not connection.invalidated:
            if not inside:
                connection.rollback()  # what an error left open
            # A failed transaction of the caller's restores the setting itself.
            with suppress(sa.exc.DBAPIError) if inside else nullcontext():
                _set_search_path(connection, path_before, for_transaction=inside)


def _set_search_path(connection: sa.Connection, path: str, *, for_transaction: bool) -> None:
    statement = sa.text("SELECT pg_catalog.set_config('search_path', :path, :for_transaction)")
    connection.execute(statement, {"path": path, "for_transaction": for_transaction})
    if not for_transaction:
        connection.commit()


def _create_schema(connection: sa.Connection, schema: str) -> None:
    """Create the schema if it does not exist, unless Alembic only reads, as for `current`."""
    if connection.dialect.name != "postgresql" or context.get_context().opts.get("dont_mutate"):
        return
    query = sa.text("SELECT pg_catalog.to_regnamespace(:schema) IS NULL")
    if connection.scalar(query, {"schema": schema}):
        if getattr(context.get_context()._migrations_fn, "__name__", "") == "do_stamp":  # Alembic's own, of `stamp`
            raise CannotMigrateError(f"there is no schema {schema}: name the schema of the tables, or run an upgrade")
        connection.execute(sa.schema.CreateSchema(schema))


def _refuse_autocommit(connection: sa.Connection) -> None:
    """Raise `MigrationUsageError` if SQLAlchemy is in a transaction and the database is not.

    In AUTOCOMMIT each statement is committed by itself: an error would leave half a revision, which no later run can
    complete or remove.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_catalog.set_config('kms.in_transaction', 'yes', true)"))
        in_autocommit = connection.scalar(sa.text("SELECT current_setting('kms.in_transaction', true)")) != "yes"
    else:
        of_engine = getattr(connection.dialect, "_on_connect_isolation_level", None)
        in_autocommit = connection.get_execution_options().get("isolation_level", of_engine) == "AUTOCOMMIT"
    if in_autocommit:
        raise MigrationUsageError(
            "the connection is in AUTOCOMMIT, where a transaction holds nothing together: commit it before, or give a"
            " connection with another isolation level"
        )


def _refuse_driver_without_commit(connection: sa.Connection) -> None:
    """Raise `MigrationUsageError` if the driver's commit does nothing: the upgrade would be lost silently."""
    if autocommit_of(connection.connection.dbapi_connection):
        raise MigrationUsageError(
            "sqlite3 commits nothing with autocommit=True: open the connection without it, or by"
            " kms_schema.engine.create_engine"
        )


def _begin_on_foreign_engine(connection: sa.Connection) -> None:
    """Begin SQLite's transaction if the engine did not.

    The driver of an engine that is not from `kms_schema.engine` begins at the first INSERT, and runs all DDL
    before that outside of any transaction.
    """
    driver_connection: Any = connection.connection.driver_connection
    if not driver_connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _run_revisions() -> None:
    """Run the revisions. A revision refuses with Alembic's error, since it imports nothing that changes."""
    _let_revisions_refuse()
    try:
        context.run_migrations()
    except MigrationError:
        raise
    except CommandError as refusal:
        raise MigrationError(str(refusal)) from None


def _let_revisions_refuse() -> None:
    """Let each revision refuse before the first of them changes anything.

    Each revision is committed by itself on PostgreSQL, so a refusal in the middle of a downgrade would leave the
    database without the triggers of the revisions above. A revision refuses by raising in `before_upgrade()` or
    `before_downgrade()`.
    """
    migration_context = context.get_context()
    plan = migration_context._migrations_fn  # there is no public way to read the plan before it runs

    def planned(heads: Any, asked: MigrationContext) -> Sequence[RevisionStep]:
        only_reads = bool(asked.opts.get("dont_mutate"))
        refuse_unknown_revisions(heads, asked.opts["script"], asked.version_table, only_reads=only_reads)
        complete_typed_revisions(asked.opts["script"])
        operations = _operations(plan, heads, asked)
        if not asked.as_sql:
            _refuse_utf16(asked.connection, operations)
            refuse_where_hardened(asked.connection, asked.opts[SCHEMA_OPTION], operations)
            refuse_what_would_fail(asked, operations)
            refuse_where_distributed(asked.connection if operations else None, asked.opts[SCHEMA_OPTION])
        for operation in operations:
            if isinstance(operation, RevisionStep):
                name = "before_upgrade" if operation.is_upgrade else "before_downgrade"
                getattr(operation.revision.module, name, lambda: None)()
        return operations

    migration_context._migrations_fn = planned


def _refuse_utf16(connection: Any, operations: Sequence[RevisionStep]) -> None:
    if connection.dialect.name != "sqlite" or not any(getattr(step, "is_upgrade", False) for step in operations):
        return
    encoding = connection.exec_driver_sql("PRAGMA main.encoding").scalar()
    if (problem := not_in_utf8(str(encoding))) is not None:
        raise CannotMigrateError(problem)


def _operations(plan: Any, heads: Any, asked: MigrationContext) -> list[RevisionStep]:
    try:
        return list(plan(heads, asked)) if plan is not None else []
    except CommandError as error:
        raise MigrationUsageError(f"{error}; the command `history` lists the revisions") from None


def refuse_unknown_revisions(
    heads: Sequence[str], script: ScriptDirectory, version_table: str, *, only_reads: bool = False
) -> None:
    """Raise `MigrationError` for a database at an unknown revision, or at two of which one comes after the other.

    Beside a known one it is a host application's, and reading is allowed with `only_reads`. `heads` are the revisions
    in the version table.
    """
    unknown = [head for head in heads if not is_known(script, head)]
    known = [head for head in heads if head not in unknown]
    for head in known:
        before = {each.revision for each in script.walk_revisions("base", head)} - {head}
        if (both := sorted(before.intersection(known))) and not only_reads:
            raise MigrationError(
                f"{version_table} has {', '.join(both)} beside {head}, which comes after it: find out which one the"
                " database is at (kms-schema validate), and DELETE the row of the other"
            )
    if not unknown or (known and only_reads):
        return
    found = f"{version_table} has the unknown revision {', '.join(map(repr, unknown))}"
    if known:
        raise MigrationError(
            f"{found} beside {', '.join(known)}: run this where both histories are known, such as "
            "`alembic upgrade kms@head` in an application's folder, or install the newer version of the package"
        )
    newest = ", ".join(script.get_heads())
    raise MigrationError(
        f"{found} (the newest known is {newest}): install the newer version that was used here, or keep this history "
        "apart from another application's with -x version-table=kms_alembic_version, or add it to version_locations"
    )
