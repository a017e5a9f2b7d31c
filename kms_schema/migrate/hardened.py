"""Refuse to migrate a hardened database (`kms-schema harden`) before anything begins: its event triggers would."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic.runtime.migration import MigrationStep, RevisionStep

from kms_schema.hardening.definition import event_triggers
from kms_schema.migrate.faults import MigrationError
from kms_schema.snapshots import chain
from kms_schema.sql import query_beside

_ACTIVE = sa.text(query_beside(__file__, "active_event_triggers"))


def is_hardened(connection: sa.Connection, schema: str) -> bool:
    """Return whether event triggers refuse DDL on our objects in `schema`."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.scalar(_ACTIVE, {"names": [each.name for each in event_triggers(schema)]}))


def hardened_hint(schema: str) -> str:
    """Return what to do about a hardened `schema`, in a sentence."""
    option = "" if schema == "public" else f" --schema {schema}"
    return (
        f"schema {schema} is hardened, and its event triggers would refuse this"
        ' (page "hardening" of the documentation): a superuser runs'
        f" kms-schema harden --remove{option} before, and kms-schema harden --apply{option} after it"
    )


def refuse_where_hardened(connection: sa.Connection | None, schema: str, operations: Iterable[MigrationStep]) -> None:
    """Raise `MigrationError` if revisions of this package are to run on a hardened database. Revisions of the host may.

    `connection` is None while a script is written. `operations` are those that Alembic would run in `schema`.
    """
    ours = frozenset(chain())
    if connection is None or not any(
        isinstance(operation, RevisionStep) and operation.revision.revision in ours for operation in operations
    ):
        return
    if is_hardened(connection, schema):
        raise MigrationError(hardened_hint(schema))
