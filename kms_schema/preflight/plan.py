"""The statements that an upgrade would execute on this database, with what each of them does.

The code of each revision runs, and its statements are recorded instead of executed. It queries the database as an
upgrade does, so the plan is that of this database. Examples are the columns of a host's table, an index that an
interrupted run left INVALID, and rows that violate a rule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RangeNotAncestorError, RevisionError
from alembic.util import CommandError

from kms_schema.database.messages import driver_message
from kms_schema.migrate.environment import refuse_unknown_revisions
from kms_schema.migrate.faults import MigrationUsageError
from kms_schema.migrate.options import MigrationOptions
from kms_schema.migrate.planned import PlannedStatement, recorded
from kms_schema.migrate.program import migrations_folder
from kms_schema.migrate.revision_ids import within_history
from kms_schema.sql.declarations import Declaration, Lock


@dataclass(frozen=True)
class PlannedRevision:
    """A revision that would run."""

    revision: str
    summary: str
    planned: tuple[PlannedStatement, ...]
    objection: str | None
    """The message of its refusal, such as rows that violate a rule of it; None if it would run."""

    @property
    def statements(self) -> tuple[str, ...]:
        """The text of its statements."""
        return tuple(each.text for each in self.planned)

    @property
    def locks(self) -> Iterator[Lock]:
        """The locks that it takes, in the order of its statements."""
        for each in self.planned:
            yield from each.declaration.locks


@dataclass(frozen=True)
class Plan:
    """The revisions that an upgrade would run, from the current one to the target."""

    current: str | None
    target: str
    revisions: tuple[PlannedRevision, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """The text of the statements of all revisions."""
        return tuple(statement for revision in self.revisions for statement in revision.statements)

    @property
    def declarations(self) -> Iterator[Declaration]:
        """The declarations of the statements of all revisions, in their order."""
        for revision in self.revisions:
            yield from (each.declaration for each in revision.planned)

    @property
    def locks(self) -> Iterator[Lock]:
        """The locks that all revisions take."""
        for revision in self.revisions:
            yield from revision.locks


def plan_upgrade(connection: sa.Connection, target: str, options: MigrationOptions) -> Plan:
    """Return the statements of `upgrade TARGET`; only queries are executed.

    Args:
        connection: a connection with a read-only transaction, in which the plan is made.
        target: a revision as Alembic accepts it, such as `head` or `005`.
        options: those that the upgrade would have.

    Raises `MigrationError` if the database is at an unknown revision, and `MigrationUsageError` if `target` is no
    revision or below the current one. Raises `UndeclaredError` if a revision executes a statement without a
    declaration.
    """
    script = ScriptDirectory(migrations_folder())
    settings = options.for_context(connection.dialect.name) | {"kms_concurrently": True}
    context = MigrationContext.configure(connection=connection, opts=settings)
    heads = context.get_current_heads()
    refuse_unknown_revisions(heads, script, options.version_table)
    pending = _pending(script, target, heads)
    reached = script.get_revision(target)
    return Plan(
        current=heads[0] if heads else None,
        target=reached.revision,
        revisions=tuple(_planned(each, context, connection) for each in pending),
    )


def _pending(script: ScriptDirectory, target: str, heads: Sequence[str]) -> list[Script]:
    """Return the revisions above `heads` up to `target`, oldest first."""
    try:
        with within_history(target):
            upwards = list(script.iterate_revisions(target, tuple(heads) or "base"))
    except RangeNotAncestorError:
        raise MigrationUsageError(f"{target} is below {', '.join(heads)}: preflight is for upgrades") from None
    except (CommandError, RevisionError) as error:
        raise MigrationUsageError(str(error)) from None
    return upwards[::-1]


def _planned(script: Script, context: MigrationContext, connection: sa.Connection) -> PlannedRevision:
    with recorded(context) as planned, Operations.context(context):
        objection = _objection(script, connection)
        script.module.upgrade()
    return PlannedRevision(script.revision, script.doc, tuple(planned), objection)


def _objection(script: Script, connection: sa.Connection) -> str | None:
    object_first = getattr(script.module, "before_upgrade", None)
    if object_first is None:
        return None
    try:
        with connection.begin_nested():  # a query that this role may not run spoils no more than itself
            object_first()
    except CommandError as refusal:
        return str(refusal)
    except sa.exc.DBAPIError as error:
        return f"its rows cannot be checked: {driver_message(error)}"
    return None
