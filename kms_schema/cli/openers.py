"""The database of a command: `opened` opens it, and each of its errors becomes one sentence with an exit status."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import click

from kms_schema.cli.connections import connected, engine_at, url_of
from kms_schema.cli.options import Common
from kms_schema.cli.sqlite_authorizer import only_write_what_is_asked
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.database.url import parse_database_url

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy as sa
    from sqlalchemy import orm

    from kms_schema.audit.storage.transactions import OpenTrail
    from kms_schema.rotations import RotationQueue

    Connection: TypeAlias = psycopg.Connection[Any] | sqlite3.Connection

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Opening:
    """The database that a command is about to open."""

    url: str
    common: Common
    writing: bool
    refusals: tuple[type[Exception], ...]

    def connected(self, *, of_values: bool = False) -> "AbstractContextManager[Connection]":
        """Open the database with its driver, as `connected` does."""
        wait = self.common.lock_wait
        return connected(self.url, writing=self.writing, refusals=self.refusals, lock_wait=wait, of_values=of_values)

    def engine(self, *, pooled: bool = False) -> "AbstractContextManager[sa.Engine]":
        """Open the database with SQLAlchemy, as `engine_at` does; a ring, which is `pooled`, counts each use."""
        return engine_at(self.url, schema=self.common.schema, writing=self.writing or pooled, pooled=pooled)


Opener: TypeAlias = Callable[[Opening], AbstractContextManager[T]]
"""Opens what a command works with: a connection, a session, the trail, the queue, a ring."""


def opener(function: Callable[Concatenate[Opening, P], Iterator[T]]) -> Callable[P, Opener[T]]:
    """Return a function that gives a generator all arguments but the first: `opened` has that."""

    def bound(*arguments: P.args, **options: P.kwargs) -> Opener[T]:
        return lambda opening: contextmanager(function)(opening, *arguments, **options)

    return bound


@contextmanager
def opened(
    what: Opener[T], common: Common, *, writing: bool = False, refusals: tuple[type[Exception], ...] = ()
) -> Iterator[T]:
    """Open the existing database of a command.

    Parameters: `what` is an opener, such as `as_connection()`; `common` has the URL, the schema, and what an opener
    needs besides. Without `writing`, SQLite is read-only and the target is not printed. `connected` explains
    `refusals`. Each error becomes one sentence with its exit status, by the table in `database_errors`.

        with opened(as_connection(), Common("sqlite:///kms.db")) as connection:
            report = validate(connection)
    """
    with what(Opening(url_of(common.database_url), common, writing, refusals)) as found:
        yield found


@opener
def as_connection(opening: Opening, *, any_trigger: bool = False) -> "Iterator[Connection]":
    """Open the database with its driver; on SQLite, triggers can write only what the triggers of the schema write.

    With `any_trigger` they write what they want, for a transaction that is rolled back.
    """
    with opening.connected() as connection:
        if opening.writing and not any_trigger and isinstance(connection, sqlite3.Connection):
            only_write_what_is_asked(connection)
        yield connection


@opener
def as_postgresql(opening: Opening, on_sqlite: str) -> "Iterator[psycopg.Connection[Any]]":
    """Open a PostgreSQL database with its driver. Raises `UsageError` with the message `on_sqlite` for a file."""
    if parse_database_url(opening.url).engine == "sqlite":
        raise click.UsageError(on_sqlite)
    with opening.connected() as connection:
        if not isinstance(connection, sqlite3.Connection):
            yield connection


@opener
def as_engine(opening: Opening) -> "Iterator[sa.Engine]":
    """Open the database with SQLAlchemy."""
    with opening.engine() as found:
        yield found


@opener
def as_session(opening: Opening) -> "Iterator[orm.Session]":
    """Open a session of the actor, if one is named, which commits if it writes and no exception ends it."""
    from sqlalchemy import orm

    from kms_schema import engine as engines
    from kms_schema import models

    actor = opening.common.actor
    with opening.engine() as engine:
        begins = engine.execution_options(**{engines.BEGIN_OPTION: "BEGIN IMMEDIATE"}) if opening.writing else engine
        with orm.Session(begins) as session:
            with models.acting_for(session.connection(), actor) if actor is not None else nullcontext():
                yield session
            if opening.writing:
                session.commit()


@opener
def as_trail(opening: Opening) -> "Iterator[OpenTrail]":
    """Open the audit trail."""
    from kms_schema.audit.storage.open import open_trail

    with as_connection()(opening) as connection:
        immutable = parse_database_url(opening.url).immutable
        yield open_trail(connection, opening.common.schema, opening.common.lock_wait, immutable=immutable)


@opener
def as_queue(opening: Opening) -> "Iterator[RotationQueue]":
    """Open the queue of rotations. Without `writing`, nothing can be changed."""
    from kms_schema.rotations.opening import open_queue

    with opening.connected(of_values=True) as connection:
        if isinstance(connection, sqlite3.Connection):  # the queue joins a transaction; its own would lock the file
            connection.execute("PRAGMA foreign_keys = ON" if opening.writing else "BEGIN")
        yield open_queue(connection, opening.common.schema, LOCK_WAIT_SECONDS)
