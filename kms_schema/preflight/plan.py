"""What an upgrade would run on this database: each revision's own code, with its statements written down instead of
executed.

A revision looks at the database as it does in earnest (which columns a host's table has, which index an interrupted
run left INVALID, which rows break a rule), so the plan is that of this database and not of a textbook one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RangeNotAncestorError, RevisionError
from alembic.util import CommandError

from kms_schema.migrate.environment import refuse_strangers
from kms_schema.migrate.faults import MigrationUsageError
from kms_schema.migrate.options import MigrationOptions
from kms_schema.migrate.program import migrations_folder
from kms_schema.sql.operations import PLANNING_OPTION


@dataclass(frozen=True)
class PlannedRevision:
    """A revision that would run."""

    revision: str
    summary: str
    statements: tuple[str, ...]
    objection: str | None
    """Why it would refuse, such as rows that break a rule of it."""


@dataclass(frozen=True)
class Plan:
    """From where to where an upgrade would go, and through which revisions."""

    current: str | None
    target: str
    revisions: tuple[PlannedRevision, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """What would be executed, of all revisions."""
        return tuple(statement for revision in self.revisions for statement in revision.statements)


def plan_upgrade(connection: sa.Connection, target: str, options: MigrationOptions) -> Plan:
    """Return what `upgrade TARGET` would run; executes nothing but queries.

    Raises `MigrationError` where the database stands at a revision that nobody here knows, and
    `MigrationUsageError` where `target` is none, or below.
    """
    script = ScriptDirectory(migrations_folder())
    settings = options.for_context(connection.dialect.name) | {PLANNING_OPTION: True, "kms_concurrently": True}
    context = MigrationContext.configure(connection=connection, opts=settings)
    heads = context.get_current_heads()
    refuse_strangers(heads, script, options.version_table)
    pending = _pending(script, target, heads)
    reached = script.get_revision(target)
    return Plan(
        current=heads[0] if heads else None,
        target=reached.revision,
        revisions=tuple(_planned(each, context) for each in pending),
    )


def _pending(script: ScriptDirectory, target: str, heads: Sequence[str]) -> list[Script]:
    """Return the revisions above `heads` up to `target`, oldest first."""
    try:
        upwards = list(script.iterate_revisions(target, tuple(heads) or "base"))
    except RangeNotAncestorError:
        raise MigrationUsageError(f"{target} is below {', '.join(heads)}: preflight is for upgrades") from None
    except (CommandError, RevisionError) as error:
        raise MigrationUsageError(str(error)) from None
    return upwards[::-1]


def _planned(script: Script, context: MigrationContext) -> PlannedRevision:
    with _written_down(context) as statements, Operations.context(context):
        objection = _objection(script, context)
        script.module.upgrade()
    return PlannedRevision(script.revision, script.doc, tuple(statements), objection)


def _objection(script: Script, context: MigrationContext) -> str | None:
    object_first = getattr(script.module, "before_upgrade", None)
    if object_first is None:
        return None
    assert context.connection is not None  # noqa: S101
    try:
        with context.connection.begin_nested():  # a query that this role may not run spoils no more than itself
            object_first()
    except CommandError as refusal:
        return str(refusal)
    except sa.exc.DBAPIError as error:
        return f"its rows cannot be looked at: {str(error.orig).splitlines()[0]}"
    return None


@contextmanager
def _written_down(context: MigrationContext) -> Iterator[list[str]]:
    """Have everything that Alembic would execute written into a list; what revisions read, they read."""
    statements: list[str] = []

    def write_down(construct: Any, *_arguments: Any, **_keywords: Any) -> None:
        compiled = construct if isinstance(construct, str) else construct.compile(dialect=context.dialect)
        # The driver's parameter style doubles percent signs.
        statements.append(str(compiled).replace("%%", "%"))

    context.impl._exec = write_down  # type: ignore[method-assign]  # where all of Alembic's statements pass
    context.autocommit_block = nullcontext  # type: ignore[method-assign, assignment]  # it would end our transaction
    yield statements
