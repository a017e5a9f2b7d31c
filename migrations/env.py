"""Alembic's environment: the database, the connection, and the options of a migration."""

import os
from contextlib import suppress
from logging.config import fileConfig

import sqlalchemy as sa
from alembic import context
from alembic.config import Config

from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.database.sources import ENVIRONMENT_VARIABLE, resolve_database_url
from kms_schema.database.url import DatabaseUrl, DatabaseUrlError, parse_database_url
from kms_schema.engine import create_engine
from kms_schema.files.outputs import new_file
from kms_schema.migrate.conditions import refuse_impossible_target
from kms_schema.migrate.environment import migrate, write_sql
from kms_schema.migrate.faults import MigrationUsageError, described
from kms_schema.migrate.options import MigrationOptions
from kms_schema.models import Base
from kms_schema.models.autogenerate import include_own

config: Config = context.config
if config.attributes.get("configure_logger", True) and config.file_config.has_section("formatters"):
    fileConfig(str(config.config_file_name), disable_existing_loggers=False)
given: dict[str, str] = context.get_x_argument(as_dictionary=True)
options: MigrationOptions = MigrationOptions.from_x_arguments(given)


def database_url() -> str:
    """Return the URL: `-x url=…`, else KMS_DATABASE_URL, else that of alembic.ini or of the caller's configuration."""
    found = given.get("url", os.environ.get(ENVIRONMENT_VARIABLE))
    try:
        return resolve_database_url(config.get_main_option("sqlalchemy.url") if found is None else found)
    except DatabaseUrlError as error:
        raise MigrationUsageError(str(error)) from None


def run_offline() -> None:
    """Write the SQL to standard output instead of running it."""
    write_sql(sa.make_url(database_url()).get_backend_name(), options, target_metadata=Base.metadata)


def run_online() -> None:
    """Migrate over the connection or engine of an embedding application, or over one of our own."""
    handed_in = config.attributes.get("connection")
    if handed_in is None:
        run_on_own_engine()
    elif isinstance(handed_in, sa.Connection) or hasattr(handed_in, "sync_engine"):
        run_on(handed_in)  # which refuses an asynchronous one
    else:  # an engine, or what pytest-alembic hands in: both have `connect()`
        with handed_in.connect() as connection:
            run_on(connection)


def run_on_own_engine() -> None:
    """Migrate over a connection of our own; raise `MigrationError` with one sentence for an error of the driver."""
    url = database_url()
    target = parse_database_url(url)
    if target.file is not None and not os.path.exists(target.file):  # noqa: PTH110  (False too where it may not look)
        refuse_impossible_target()
    create_private_file(target)
    engine = create_engine(url, poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":  # an upgrade waits longer, by itself: --lock-wait
        limit = f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1000:.0f}"
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute(limit))
    try:
        with engine.connect() as connection:
            run_on(connection)
    except (sa.exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        raise described(error, url) from None


def create_private_file(target: DatabaseUrl) -> None:
    """Create the file of a new SQLite database so that only its owner can read it; SQLite gives -wal and -shm the same.

    Without it the umask would decide. A file that is there keeps its permissions. SQLite itself reports what is wrong.
    """
    if target.file is not None and target.parameters.get("mode", ("rwc",))[-1] == "rwc":
        with suppress(OSError), new_file(target.file):
            pass


def run_on(connection: sa.Connection) -> None:
    """Run on one connection."""
    migrate(
        connection,
        options,
        own_names=True,
        target_metadata=Base.metadata,
        include_object=include_own(connection.dialect.name),
    )


if context.is_offline_mode():
    run_offline()
else:
    run_online()
