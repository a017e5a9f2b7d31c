"""Engines whose transactions find operators, functions and types in pg_catalog only, on PostgreSQL."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.event.registry import _EventKey

from kms_schema.text.identifiers import SEARCH_PATH

_IS_PINNED = "kms_search_path_is_pinned"
PIN: Final = f"SELECT pg_catalog.set_config('search_path', '{SEARCH_PATH}', true)"
"""The statement that sets it until the transaction ends. A pooler gives a connection to others after that."""

IS_DURABLE: Final = "kms_commits_are_durable"
"""The execution option of engines of `committed_durably`, whose statement is then part of that of the path."""
_PIN_AND_WAIT = (
    f"{PIN}, pg_catalog.set_config('synchronous_commit', CASE"
    " WHEN pg_catalog.current_setting('synchronous_commit')"
    " OPERATOR(pg_catalog.=) ANY (ARRAY['off', 'local']::pg_catalog.text[]) THEN 'on'"
    " ELSE pg_catalog.current_setting('synchronous_commit') END, true)"
)

_FIND_SCHEMA = (
    "SELECT n.nspname FROM pg_catalog.pg_class AS c"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " WHERE c.oid OPERATOR(pg_catalog.=) CAST(pg_catalog.to_regclass('key_masters') AS pg_catalog.oid)"
)


def with_pinned_path(engine: sa.Engine, schema: str | None = None) -> sa.Engine:
    """Return an engine of the same pool whose transactions find operators, functions and types in pg_catalog only.

    Statements name the tables of the models with their schema: `schema`, else the schema of the engine's
    `schema_translate_map`, else the schema where the path of a connection finds `key_masters`. Without such a table,
    and on SQLite, `engine` itself is returned. Raises the errors of the driver. Example::

        with Session(with_pinned_path(engine)) as session: ...
    """
    given = engine.get_execution_options()
    if engine.dialect.name != "postgresql" or is_pinned(engine):
        return engine
    names = given.get("schema_translate_map") or {}
    if (schema := schema or names.get(None)) is None:
        with engine.connect() as connection:
            schema = connection.exec_driver_sql(_FIND_SCHEMA).scalar_one_or_none()
        if schema is None:
            return engine
    pinned = engine.execution_options(schema_translate_map={**names, None: schema}, **{_IS_PINNED: True})
    listen_to_begin(pinned, _pin_path)
    return pinned


def listen_to_begin(engine: sa.Engine, listener: Callable[[sa.Connection], object]) -> None:
    """Have `listener` called at the beginning of each transaction of `engine`. Raises nothing. Example::

    listen_to_begin(engine.execution_options(**options), listener)
    """
    try:
        sa.event.listen(engine, "begin", listener)
    except sa.exc.InvalidRequestError:  # before SQLAlchemy 2.0.39: it has options, and is made of one that has some
        _EventKey(engine, "begin", listener, engine).listen()


def _pin_path(connection: sa.Connection) -> None:
    is_durable = connection.get_execution_options().get(IS_DURABLE)
    connection.exec_driver_sql(_PIN_AND_WAIT if is_durable else PIN)


def is_pinned(engine: sa.Engine) -> bool:
    """Return whether an engine is one of `with_pinned_path`. Raises nothing."""
    return bool(engine.get_execution_options().get(_IS_PINNED))
