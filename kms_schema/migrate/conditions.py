"""Conditions that stop an upgrade: they are asked before its first revision changes anything.

Each revision is committed by itself on PostgreSQL, so what only a later one meets would leave the database in between.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.util import CommandError

from kms_schema.hardening.definition import event_triggers
from kms_schema.migrate.faults import CannotMigrateError, MigrationError, MigrationUsageError
from kms_schema.migrate.planned import recorded
from kms_schema.migrate.revision_ids import complete_typed_revisions
from kms_schema.models import Base
from kms_schema.snapshots import chain
from kms_schema.sql import query_beside
from kms_schema.sql.declarations import Declaration
from kms_schema.sql.operations import SCHEMA_OPTION

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


_ACTIVE = sa.text(query_beside(__file__, "active_event_triggers"))


def is_hardened(connection: sa.Connection, schema: str) -> bool:
    """Return whether event triggers refuse DDL on our objects in `schema`."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.scalar(_ACTIVE, {"names": [each.name for each in event_triggers(schema)]}))


def hardened_hint(schema: str) -> str:
    """Return the advice about a hardened `schema`, in a sentence."""
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


OLDEST = 13
"""The oldest major version of PostgreSQL that this package is tested on."""

SIZES = sa.text(query_beside(__file__, "relation_sizes"))
SERVER = sa.text(query_beside(__file__, "server"))
_EXISTING = sa.text(query_beside(__file__, "existing_names"))
_GROUP_OWNER = sa.text(query_beside(__file__, "group_owner"))
_VERSION_TABLE = sa.text(query_beside(__file__, "version_table_privileges"))

_REVISIONS_OF = ("upgrade", "downgrade", "do_stamp")
"""Alembic's functions that return the revisions of a command, by their names."""


def privileges_missing(connection: sa.Connection, schema: str, version_table: str) -> Iterator[str]:
    """Yield each missing privilege of the role of `connection`, with the advice."""
    table = f"{schema}.{version_table}"
    server = connection.execute(SERVER, {"schema": schema}).one()
    if server.major < OLDEST:
        yield f"PostgreSQL {server.version} is too old: upgrade the server to {OLDEST} or later"
    if server.standby or server.read_only:
        yield "this server is a standby, or read-only for this role: migrate on the primary"
    if not server.may_create:
        place = f"SCHEMA {schema}" if server.schema_exists else f"DATABASE {server.database}"
        yield (
            f"role {server.role} may not create in {place.lower()}: migrate as its owner{_member(connection, table)},"
            f" or GRANT CREATE ON {place} TO {server.role}"
        )
    if not server.may_program:
        yield f"role {server.role} may not use plpgsql: GRANT USAGE ON LANGUAGE plpgsql TO {server.role}"
    if connection.scalar(_VERSION_TABLE, {"table": table}) is False:
        yield (f"role {server.role} may not read and write {table}: migrate as its owner{_member(connection, table)}")


def _member(connection: sa.Connection, table: str) -> str:
    owner = connection.scalar(_GROUP_OWNER, {"table": table})
    return f" (GRANT {owner} TO {connection.scalar(sa.text('SELECT current_user'))})" if owner else ""


def objects_in_the_way(connection: sa.Connection, declarations: Sequence[Declaration]) -> Iterator[str]:
    """Yield the objects of others that statements with these declarations would create or lock, with what to do."""
    for relation in existing(connection, declarations).values():
        if not relation.owned:
            yield f"{relation.relation} belongs to another role: migrate as its owner, or as a member of that role"
    for name in connection.scalars(_EXISTING, {"names": new_names(declarations)}):
        yield f"{name} already exists, and is not from these migrations: rename it, or take another schema"


def existing(
    connection: sa.Connection, declarations: Sequence[Declaration]
) -> dict[str, sa.Row[tuple[str, int | None, int, bool]]]:
    """Return the relations that statements lock and do not create themselves, by name."""
    names = {lock.relation for each in declarations for lock in each.locks}.difference(new_names(declarations))
    return {row.relation: row for row in connection.execute(SIZES, {"names": sorted(names)})}


def new_names(declarations: Iterable[Declaration]) -> list[str]:
    """Return the names of the objects that statements create."""
    return [name for each in declarations for name in each.creates]


def refuse_what_would_fail(asked: MigrationContext, operations: Sequence[MigrationStep]) -> None:
    """Raise `MigrationError` if a revision of an upgrade on PostgreSQL would fail, as far as this can be checked now.

    `operations` are those that Alembic would run. With revisions of a host among them nothing is asked: those declare
    no effects, and one may drop or rename what would stop ours.
    """
    ours = frozenset(chain())
    steps = [each for each in operations if isinstance(each, RevisionStep)]
    upwards = all(each.is_upgrade and each.revision.revision in ours for each in steps)
    connection = asked.connection
    if connection is None or connection.dialect.name != "postgresql" or not steps or not upwards:
        return
    if missing := list(privileges_missing(connection, asked.opts[SCHEMA_OPTION], asked.version_table)):
        raise CannotMigrateError("; ".join(missing))
    with without_notes(), recorded(asked) as statements:
        for step in steps:
            step.revision.module.upgrade()
    if problems := list(objects_in_the_way(connection, [each.declaration for each in statements])):
        raise MigrationError("; ".join(problems))


@contextmanager
def without_notes() -> Iterator[None]:
    """Log nothing of this thread: the revisions give their notes when they run. Other threads may be upgrading."""
    notes, here = logging.getLogger("alembic.runtime.migration"), threading.get_ident()

    def of_another_thread(record: logging.LogRecord) -> bool:
        return record.thread != here

    notes.addFilter(of_another_thread)
    try:
        yield
    finally:
        notes.removeFilter(of_another_thread)


def refuse_impossible_target() -> None:
    """Raise `MigrationUsageError` if the command of Alembic has a target that an empty database cannot reach.

    It is asked before a file of SQLite is created, which a refusal would leave.
    """
    environment: Any = vars(context)["_proxy"]  # there is no public way to read what the command would run
    revisions_of = environment.context_opts.get("fn")
    if getattr(revisions_of, "__name__", "") not in _REVISIONS_OF:
        return
    complete_typed_revisions(environment.script)
    try:
        steps = list(revisions_of((), None))
    except CommandError as error:
        raise MigrationUsageError(f"{error}; the command `history` lists the revisions") from None
    if not steps:
        raise MigrationUsageError("there is no such file, and it would be left empty: name a revision above base")
