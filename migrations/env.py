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
from kms_schema.migrating.lock import UpgradeLockError, one_upgrade_at_a_time
from kms_schema.models import Base
from kms_schema.models.autogenerate import include_object

config = context.config
if config.attributes.get("configure_logger", True) and config.file_config.has_section("formatters"):
    fileConfig(str(config.config_file_name), disable_existing_loggers=False)
options = context.get_x_argument(as_dictionary=True)

# SQLAlchemy reflects no expression index on SQLite, and says so each time; the validator compares this one.
warnings.filterwarnings("ignore", message=".*idx_key_rotations_failed_partial")


def number(option: str, default: str) -> float:
    """Return the number that `-x option=…` gives."""
    given = options.get(option, default)
    try:
        return float(given)
    except ValueError:
        raise CommandError(f"-x {option}={given}: write a number, such as {default}") from None


LOCK_TIMEOUT_MS = int(number("lock-timeout-ms", "5000"))
LOCK_WAIT_SECONDS = number("lock-wait", "600")

# By SQLSTATE, or by what SQLite says: what a person can do about it. Nothing of the revision was applied.
KNOWN_FAULTS = {
    "55P03": (
        f"another session held a table's lock for more than {LOCK_TIMEOUT_MS} ms: run it again when that session has "
        "ended, or allow more with -x lock-timeout-ms=…"
    ),
    "42501": "migrate as the role that owns the schema, or grant it CREATE on the schema and rights on alembic_version",
    "already exists": "it is not from these migrations: rename it, or take another database",
    "database is locked": "another process holds the file's lock: run it again when that has ended",
    "readonly database": "make the file and its folder writable, or take another file",
    "file is not a database": "take another file, or move this one away",
}


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
    except sa.exc.DBAPIError as error:
        raise CommandError(advice(error, redact(url))) from None
    except UpgradeLockError as error:
        raise CommandError(str(error)) from None


def advice(error: sa.exc.DBAPIError, url: str) -> str:
    """Return what went wrong with the server or the file, and what to do; raise the error where nobody knows."""
    said = str(error.orig).strip()
    if error.statement is None:
        return f"cannot connect to {url}: {said}"
    sqlstate = getattr(error.orig, "sqlstate", None)
    for recognised, known in KNOWN_FAULTS.items():
        if recognised == sqlstate or recognised in said:
            return f"{said.splitlines()[0]} ({url}): {known}"
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
