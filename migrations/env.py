"""How Alembic reaches the database: URL, lock, timeouts, transactions."""

import os
import warnings
from contextlib import nullcontext
from logging.config import fileConfig
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.util import CommandError

from kms_schema.database_url import ENVIRONMENT_VARIABLE, DatabaseUrlError, redact, resolve_database_url
from kms_schema.engine import BEGIN_OPTION, create_engine
from kms_schema.models import Base
from kms_schema.models.autogenerate import include_object
from kms_schema.upgrade_lock import UpgradeLockError, one_upgrade_at_a_time

config = context.config
if config.attributes.get("configure_logger", True) and config.file_config.has_section("formatters"):
    fileConfig(str(config.config_file_name), disable_existing_loggers=False)
options = context.get_x_argument(as_dictionary=True)

# SQLAlchemy reflects no expression index on SQLite, and says so each time; the validator compares this one.
warnings.filterwarnings("ignore", message=".*idx_key_rotations_failed_partial")

LOCK_TIMEOUT_MS = int(options.get("lock-timeout-ms", "5000"))
LOCK_NOT_AVAILABLE = "55P03"
LOCK_WAIT_SECONDS = float(options.get("lock-wait", "600"))


def database_url() -> str:
    """Return the URL: `-x url=…`, else KMS_DATABASE_URL, else alembic.ini or what the caller set in its place."""
    found = options.get("url") or os.environ.get(ENVIRONMENT_VARIABLE) or config.get_main_option("sqlalchemy.url")
    try:
        return resolve_database_url(found)
    except DatabaseUrlError as error:
        raise CommandError(str(error)) from None


def object_first() -> None:
    """Let the revisions of a downgrade object before the first of them changes anything.

    Each revision is committed by itself on PostgreSQL, so an objection half-way down would leave the database
    without the guards of the revisions above. A revision objects by raising in `before_downgrade()`.
    """
    migration_context = context.get_context()
    plan = migration_context._migrations_fn

    def planned(heads: Any, asked: MigrationContext) -> list[MigrationStep]:
        steps = list(plan(heads, asked)) if plan is not None else []
        for step in steps:
            if isinstance(step, RevisionStep) and step.is_downgrade:
                getattr(step.revision.module, "before_downgrade", lambda: None)()
        return steps

    migration_context._migrations_fn = planned


def run_offline() -> None:
    """Write the SQL to standard output instead of running it."""
    url = sa.make_url(database_url())
    context.configure(
        dialect_name=url.get_backend_name(),
        target_metadata=Base.metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        # SQLite's DDL rolls back with its transaction, which Alembic does not assume by itself.
        transactional_ddl=True,
        transaction_per_migration=url.get_backend_name() == "postgresql",
    )
    with context.begin_transaction():
        if url.get_backend_name() == "postgresql":
            context.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
        object_first()
        context.run_migrations()


def run_online() -> None:
    """Migrate over the connection or engine that an embedding application handed in, or over one of our own."""
    given = config.attributes.get("connection")
    if isinstance(given, sa.Engine):  # as pytest-alembic hands one in
        with given.connect() as connection:
            migrate(connection)
        return
    if given is not None:
        migrate(given)
        return
    url = database_url()
    engine = create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            # SQLite: take the write lock before Alembic reads where the database stands.
            migrate(connection.execution_options(**{BEGIN_OPTION: "BEGIN IMMEDIATE"}))
    except sa.exc.OperationalError as error:
        raise CommandError(advice(error, redact(url))) from None
    except UpgradeLockError as error:
        raise CommandError(str(error)) from None


def advice(error: sa.exc.OperationalError, url: str) -> str:
    """Return what went wrong with the server or the file, and what to do; raise the error where nobody knows."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    if error.statement is None:
        return f"cannot connect to {url}: {str(error.orig).strip()}"
    if sqlstate == LOCK_NOT_AVAILABLE:
        return (
            f"a table stayed locked by another session for {LOCK_TIMEOUT_MS} ms, so the revision was not applied: "
            "run it again when that session has ended, or allow more with -x lock-timeout-ms=…"
        )
    if "database is locked" in str(error.orig):
        return f"{url} is locked by another process: run it again when that has ended"
    raise error


def migrate(connection: sa.Connection) -> None:
    """Run the migrations on `connection`, one upgrade at a time."""
    postgresql = connection.dialect.name == "postgresql"
    inside = connection.in_transaction()  # the caller's: neither the lock nor CONCURRENTLY can be had inside it
    alone = (
        one_upgrade_at_a_time(connection, wait_seconds=LOCK_WAIT_SECONDS, lock_timeout_ms=LOCK_TIMEOUT_MS)
        if postgresql and not inside
        else nullcontext()
    )
    with alone:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_object=include_object(connection.dialect.name),
            transactional_ddl=True,
            transaction_per_migration=postgresql,
            kms_concurrently=not inside,
        )
        with context.begin_transaction():
            if not postgresql:
                begin_on_foreign_engine(connection)
            object_first()
            context.run_migrations()
        if not inside:
            connection.commit()  # what ran outside of any revision, such as `alembic ensure_version`


def begin_on_foreign_engine(connection: sa.Connection) -> None:
    """Begin SQLite's transaction where the engine did not.

    The driver of an engine that is not from `kms_schema.engine` begins at the first INSERT, and runs all DDL
    before that outside of any transaction.
    """
    if not connection.connection.driver_connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


if context.is_offline_mode():
    run_offline()
else:
    run_online()
