"""The connections of the commands, by the driver and by SQLAlchemy."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli import messages
from kms_schema.cli.database_errors import CannotConnect, errors_reported, holder_named, words_of_command
from kms_schema.cli.sqlite_authorizer import only_read
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.database.messages import LOCKED, sqlstate_of
from kms_schema.database.sources import ENVIRONMENT_VARIABLE, find_source, similar
from kms_schema.database.url import DatabaseUrl, DatabaseUrlError, parse_database_url, redact
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa

_IN_MEMORY = "a database in memory is new and empty; name a file: sqlite:///path/to/file.db"
_IN_UTC = "SET TimeZone = 'UTC'"
"""psycopg reads a time in the zone of the session. There the first and last hours that a row may have are no time."""


def existing_file(target: DatabaseUrl) -> Path:
    """Return the file of a SQLite database.

    Raises `CannotConnect` if there is no such file, since SQLite would create it, and if this user may not look for it.
    It is also raised for a database in memory, and for `immutable=1` beside a write-ahead log or journal, which SQLite
    would not read.
    """
    path = target.file
    if path is None:
        raise CannotConnect(_IN_MEMORY)
    try:
        found = path.is_file()
    except OSError as error:
        raise CannotConnect(f"cannot read {path}: {error.strerror}") from None
    if not found and path.exists():
        raise CannotConnect(f"{path} is not a file: name the file of the database")
    if not found:
        raise CannotConnect(f"there is no file {path}; to create the database there, run: kms-schema upgrade")
    if (unread := target.unread_changes()) is not None:
        raise CannotConnect(unread)
    return path


def refuse_memory(target: DatabaseUrl) -> None:
    """Raise `CannotConnect` for a SQLite database in memory, which ends with the command."""
    if target.engine == "sqlite" and target.file is None:
        raise CannotConnect(_IN_MEMORY)


def url_of(given: str | None) -> str:
    """Return the URL of the database: `given`, else the first source that has one. Raises `UsageError`."""
    _warn_of_similar_variables(given)
    try:
        source, url = find_source(given)
        parse_database_url(url)
    except DatabaseUrlError as error:
        raise click.UsageError(str(error)) from None
    messages.detail(f"the database is that of {source}: {redact(url)}")
    return url


def _warn_of_similar_variables(given: str | None) -> None:
    """Name a variable such as KMS_DATABSE_URL where nothing else names the database: it is not read."""
    if given is None and ENVIRONMENT_VARIABLE not in os.environ:
        for name in os.environ:
            # Most environments have none of this length, and need no comparison.
            if name.startswith("KMS") and 14 <= len(name) <= 18 and similar(name, ["kms-database-url"], 0.85):
                messages.warn(f"{name} is not read: the variable is {ENVIRONMENT_VARIABLE}")


def print_target(url: str) -> None:
    """Print which database is about to be written, without the password, to standard error."""
    messages.note(in_a_line(f"database: {redact(url)}"))


@contextmanager
def connected(
    url: str,
    *,
    writing: bool = False,
    application: str | None = None,
    refusals: tuple[type[Exception], ...] = (),
    of_values: bool = False,
    lock_wait: float = LOCK_WAIT_SECONDS,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> "Iterator[psycopg.Connection[Any] | sqlite3.Connection]":
    """Open an existing database with its driver.

    Parameters: `url` of the database; `writing`, without which SQLite is read-only; `application`, the name in
    `pg_stat_activity`, by default the name of the command. `errors_reported` explains `refusals` and `of_values`;
    `lock_wait` is the seconds to wait for the lock of a SQLite file. `parameters` of libpq apply where the URL does not
    have them. Raises `CannotConnect`, without the password, for every error of the driver.

        with connected("sqlite:///kms.db") as connection:
            report = validate(connection)
    """
    target = parse_database_url(url)
    file = existing_file(target) if target.engine == "sqlite" else None
    before = _identity(file)
    if writing:
        print_target(url)
    with (
        errors_reported(target, refusals, of_values=of_values),
        closing(_connect(target, application or _application(), lock_wait, parameters, writing=writing)) as connection,
        holder_named(connection),
    ):
        yield connection
    if _identity(file) != before:
        raise CannotConnect(f"{target.shown}: the file was removed or replaced while it was read; run this again")


@contextmanager
def engine_at(url: str, *, schema: str, writing: bool = True, pooled: bool = False) -> "Iterator[sa.Engine]":
    """Yield a SQLAlchemy engine for an existing database with its tables in `schema`; raises as `connected` does.

    Without `writing`, SQLite is read-only and the target is not printed. `pooled`: for a key ring, which opens
    connections of its own as this engine does, and uses each several times.
    """
    import sqlalchemy as sa  # few commands need it

    from kms_schema.database.pinned_path import with_pinned_path
    from kms_schema.engine import committed_durably, create_engine

    target = parse_database_url(url)
    options: dict[str, Any] = {} if pooled else {"poolclass": sa.NullPool}
    if target.engine == "sqlite":
        existing_file(target)
    else:
        defaults = {"connect_timeout": "10", "application_name": _application()}
        options["connect_args"] = {name: each for name, each in defaults.items() if name not in target.parameters}
        options["execution_options"] = {"schema_translate_map": {None: schema}}
    if writing:
        print_target(url)
    with errors_reported(target, of_values=True):
        if target.engine == "sqlite" and not writing:
            engine = sa.create_engine("sqlite://", creator=lambda: _open_sqlite(target, writing=False), **options)
        else:
            engine = create_engine(url, **options)
            if target.engine != "sqlite":
                sa.event.listen(engine, "connect", _use_utc)
            _limit_waits_of(engine)
            if not pooled:  # a key ring does both itself, but the second not for tables of the application
                engine = with_pinned_path(engine)
                engine = committed_durably(engine) if writing else engine
        try:
            if writing and not pooled:  # a ring looks by itself
                _require_head(engine, target, schema)
            yield engine
        except sa.exc.DBAPIError as error:
            if error.orig is None:
                raise
            if sqlstate_of(error) != LOCKED:
                raise error.orig from None
            engine.dispose()  # the transaction that has failed holds locks as well
            with closing(_connect(target, _application(), LOCK_WAIT_SECONDS, writing=True)) as idle, holder_named(idle):
                raise error.orig from None
        finally:
            engine.dispose()


def _application() -> str:
    return " ".join(["kms-schema", *words_of_command()[:1]])


def _require_head(engine: "sa.Engine", target: DatabaseUrl, schema: str) -> None:
    """Raise `CannotConnect` for a database below head: what would be written there is not recorded."""
    from kms_schema.engine import BELOW_HEAD, is_at_head

    with engine.connect() as connection:
        if not is_at_head(connection, schema):
            raise CannotConnect(f"{target.shown}: {BELOW_HEAD}")


def _use_utc(connection: Any, _record: Any) -> None:
    if connection.info.parameter_status("TimeZone") != "UTC":
        with connection.transaction():
            connection.execute(_IN_UTC)


def _limit_waits_of(engine: "sa.Engine") -> None:
    """Limit the waits for locks, also of the engines of its own that a key ring makes."""
    import sqlalchemy as sa

    from kms_schema.database.begun_transactions import limit_lock_waits

    milliseconds = round(LOCK_WAIT_SECONDS * 1000)
    if engine.dialect.name == "postgresql":
        limit_lock_waits(engine, milliseconds)
    else:  # an engine of its own configures each connection again, and has the hooks of the pool
        busy_timeout = f"PRAGMA busy_timeout = {milliseconds}"
        sa.event.listen(engine, "checkout", lambda connection, *_: connection.execute(busy_timeout))


def _identity(file: Path | None) -> tuple[int, int] | None:
    """Return the identity of a file, which another file of the same name does not have."""
    try:
        status = file.stat() if file else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status else None


def _connect(
    target: DatabaseUrl,
    application: str,
    lock_wait: float,
    parameters: Mapping[str, str] = MappingProxyType({}),
    *,
    writing: bool,
) -> "psycopg.Connection[Any] | sqlite3.Connection":
    if target.engine == "sqlite":
        return _open_sqlite(target, lock_wait, writing=writing)
    try:
        import psycopg  # SQLite does not need it
    except ImportError as error:
        raise CannotConnect(f"psycopg cannot be loaded ({error}); pip install 'psycopg[binary]'") from None
    # In the encoding SQL_ASCII, psycopg would return bytes instead of text. Behind a proxy that pools transactions, the
    # next session has not prepared what one has; it does give each client its own DateStyle and TimeZone.
    own: dict[str, Any] = {"client_encoding": "UTF8", "prepare_threshold": None}
    defaults = {"connect_timeout": "10", "application_name": application, **own, **parameters}
    connection = psycopg.connect(**(defaults | target.connection_parameters()), autocommit=True)
    if not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
        connection.execute("SET DateStyle = 'ISO'")  # psycopg reads no other
    if connection.info.parameter_status("TimeZone") != "UTC":
        connection.execute(_IN_UTC)
    return connection


def _open_sqlite(target: DatabaseUrl, lock_wait: float = LOCK_WAIT_SECONDS, *, writing: bool) -> sqlite3.Connection:
    """Open an existing file, read-only unless `writing`."""
    existing_file(target)
    connection = sqlite3.connect(target.file_uri("rw" if writing else "ro"), uri=True, timeout=lock_wait)
    if not writing:
        only_read(connection)
    return connection
