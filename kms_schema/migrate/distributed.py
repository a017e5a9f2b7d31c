"""Refuse to migrate tables that Citus distributes: entries would be lost there without an error."""

import sqlalchemy as sa

from kms_schema.migrate.faults import MigrationError
from kms_schema.models import Base
from kms_schema.sql import query_beside

_DISTRIBUTED = sa.text(query_beside(__file__, "distributed_tables"))


def distributed_tables(connection: sa.Connection | None, schema: str) -> str | None:
    """Return a sentence about the tables of ours in `schema` that Citus distributes; None without any.

    `connection` is None while a script is written.
    """
    if connection is None or connection.dialect.name != "postgresql":
        return None
    names = sorted(Base.metadata.tables)
    if (found := connection.scalar(_DISTRIBUTED, {"schema": schema, "names": names})) is None:
        return None
    return (
        f"Citus distributes {found} in schema {schema}, which is not supported: audit entries and seals get lost there"
        ' without an error. Move the rows into tables of one server, as the page "engines" of the documentation says'
    )


def refuse_where_distributed(connection: sa.Connection | None, schema: str) -> None:
    """Raise `MigrationError` if Citus distributes a table of ours."""
    if (problem := distributed_tables(connection, schema)) is not None:
        raise MigrationError(problem)
