"""What surrounds the revisions when Alembic runs them: from `migrations/env.py`, or from a host application's.

A host calls `migrate` in its own `env.py` in the place of `context.configure` and `context.run_migrations`; its own
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

from kms_schema.migrate.faults import MigrationError, MigrationUsageError
from kms_schema.migrate.hardened import refuse_where_hardened
from kms_schema.migrate.lock import one_upgrade_at_a_time
from kms_schema.migrate.options import MigrationOptions
from kms_schema.models.autogenerate import Hooks, hooks_for_host
from kms_schema.sql.operations import SCHEMA_OPTION


def migrate(
    connection: sa.Connection, options: MigrationOptions, *, own_names: bool = False, **configuration: Any
) -> None:
    """Run what Alembic was asked to run on `connection`, one upgrade at a time, each revision asked before the first.

    `configuration` goes to `context.configure`, such as `target_metadata`. A host's autogenerate proposes nothing for
    our objects, whatever `include_name` and `include_object` it gives of its own. With `own_names`, as our own
    environment has it, unqualified names mean those of `options.schema` alone, which a host's own revisions may not be
    used to, and autogenerate sees what it is told to. A transaction that the caller
    holds open stays open, and is the caller's to commit: neither the lock nor CONCURRENTLY can be had inside it.
    Raises `MigrationError`, and what the driver raises.
    """
    # SQLAlchemy reflects no expression index on SQLite, and says so each time; the validator compares this one.
    warnings.filterwarnings("ignore", message=".*idx_key_(rotations_failed|masters_rotation)_partial")
    inside = connection.in_transaction()
    if not own_names:
        configuration |= _leaving_ours_alone(connection, options, configuration)
    settings = options.for_context(connection.dialect.name) | {"kms_concurrently": not inside} | configuration
    context.configure(connection=connection, **settings)
    names = living_in(connection, options.schema) if own_names else nullcontext()
    with _surroundings(connection, options), names:
        context.configure(connection=connection, **settings)  # once more: it notes whether a transaction is open
        with context.begin_transaction():
            _make_schema(connection, options.schema)
            _run_revisions()


def _leaving_ours_alone(connection: sa.Connection, options: MigrationOptions, configuration: dict[str, Any]) -> Hooks:
    # SQLite's only schema has another name there, and none in what autogenerate compares.
    default_schema = connection.dialect.default_schema_name if connection.dialect.name == "postgresql" else None
    return hooks_for_host(
        options.schema,
        default_schema=default_schema or options.schema,
        version_table=options.version_table,
        include_name=configuration.get("include_name"),
        include_object=configuration.get("include_object"),
    )


def _surroundings(connection: sa.Connection, options: MigrationOptions) -> AbstractContextManager[Any]:
    """Return what a command needs: the upgrade's lock, one transaction to read in, or the caller's transaction."""
    if connection.in_transaction():
        if connection.dialect.name == "sqlite":
            _begin_on_foreign_engine(connection)
        return nullcontext()
    if context.get_context().opts.get("dont_mutate"):  # as `current` and `check` say
        return connection.begin()
    return one_upgrade_at_a_time(connection, wait_seconds=options.lock_wait, lock_timeout_ms=options.lock_timeout_ms)


def write_sql(dialect: str, options: MigrationOptions, **configuration: Any) -> None:
    """Write the SQL of what Alembic was asked to run, instead of running it."""
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
def living_in(connection: sa.Connection, schema: str) -> Iterator[None]:
    """Let unqualified names on `connection` mean those of `schema`, whoever else's a role's search_path names.

    Alembic compares models with the schema that the server calls current. On SQLite there is nothing to do.
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
            # A transaction of the caller's that has failed takes the setting back by itself.
            with suppress(sa.exc.DBAPIError) if inside else nullcontext():
                _set_search_path(connection, path_before, for_transaction=inside)


def _set_search_path(connection: sa.Connection, path: str, *, for_transaction: bool) -> None:
    statement = sa.text("SELECT pg_catalog.set_config('search_path', :path, :for_transaction)")
    connection.execute(statement, {"path": path, "for_transaction": for_transaction})
    if not for_transaction:
        connection.commit()


def _make_schema(connection: sa.Connection, schema: str) -> None:
    """Make the schema where it is not there, unless Alembic only reads, as for `current`."""
    if connection.dialect.name != "postgresql" or context.get_context().opts.get("dont_mutate"):
        return
    query = sa.text("SELECT pg_catalog.to_regnamespace(:schema) IS NULL")
    if connection.scalar(query, {"schema": schema}):
        connection.execute(sa.schema.CreateSchema(schema))


def _begin_on_foreign_engine(connection: sa.Connection) -> None:
    """Begin SQLite's transaction where the engine did not.

    The driver of an engine that is not from `kms_schema.engine` begins at the first INSERT, and runs all DDL
    before that outside of any transaction.
    """
    driver_connection: Any = connection.connection.driver_connection
    if not driver_connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _run_revisions() -> None:
    """Run what was asked for. A revision refuses with Alembic's own error: it is frozen, and imports nothing live."""
    _ask_revisions_first()
    try:
        context.run_migrations()
    except MigrationError:
        raise
    except CommandError as refusal:
        raise MigrationError(str(refusal)) from None


def _ask_revisions_first() -> None:
    """Let the revisions to come object before the first of them changes anything.

    Each revision is committed by itself on PostgreSQL, so an objection half-way down would leave the database
    without the guards of the revisions above. A revision objects by raising in `before_upgrade()` or
    `before_downgrade()`.
    """
    migration_context = context.get_context()
    plan = migration_context._migrations_fn  # there is no public way to see the plan before it runs

    def planned(heads: Any, asked: MigrationContext) -> Sequence[RevisionStep]:
        only_reads = bool(asked.opts.get("dont_mutate"))
        refuse_strangers(heads, asked.opts["script"], asked.version_table, only_reads=only_reads)
        steps = _steps(plan, heads, asked)
        if not asked.as_sql:
            refuse_where_hardened(asked.connection, asked.opts[SCHEMA_OPTION], steps)
        for step in steps:
            if isinstance(step, RevisionStep):
                objection = "before_upgrade" if step.is_upgrade else "before_downgrade"
                getattr(step.revision.module, objection, lambda: None)()
        return steps

    migration_context._migrations_fn = planned


def _steps(plan: Any, heads: Any, asked: MigrationContext) -> list[RevisionStep]:
    try:
        return list(plan(heads, asked)) if plan is not None else []
    except CommandError as error:
        raise MigrationUsageError(f"{error}; the command `history` lists the revisions that there are") from None


def refuse_strangers(
    heads: Sequence[str], script: ScriptDirectory, version_table: str, *, only_reads: bool = False
) -> None:
    """Refuse a database that stands at a revision that nobody here knows.

    Beside one that is known it is a host application's, which may be read.
    """
    strangers = [head for head in heads if not _knows(script, head)]
    known = [head for head in heads if head not in strangers]
    if not strangers or (known and only_reads):
        return
    says = f"{version_table} says {', '.join(map(repr, strangers))}"
    if known:
        raise MigrationError(
            f"{says}, which is none of these migrations, beside {', '.join(known)}: run this where both histories are "
            "known, such as `alembic upgrade kms@head` in an application's folder, or install the newer version of the "
            "package that was here"
        )
    newest = ", ".join(script.get_heads())
    raise MigrationError(
        f"{says}, which is none of these migrations (the newest is {newest}): either a newer version of the package "
        "was here, then install that one; or it is another application's, then keep this history apart with "
        "-x version-table=kms_alembic_version, or add it to that application's version_locations"
    )


def _knows(script: ScriptDirectory, revision: str) -> bool:
    try:
        return script.get_revision(revision) is not None
    except CommandError:
        return False
