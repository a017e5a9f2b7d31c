"""The statements that a revision would execute: its code runs, and they are recorded with what they do."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from alembic.runtime.migration import MigrationContext

from kms_schema.sql.declarations import Declaration, UndeclaredError, declared
from kms_schema.sql.operations import PLANNING_OPTION


@dataclass(frozen=True)
class PlannedStatement:
    """A statement that would be executed."""

    text: str
    declaration: Declaration


@contextmanager
def recorded(context: MigrationContext) -> Iterator[list[PlannedStatement]]:
    """Record everything that Alembic would execute in the block; the queries of revisions are executed."""
    planned: list[PlannedStatement] = []

    def record(construct: Any, *_arguments: Any, **_keywords: Any) -> None:
        compiled = construct if isinstance(construct, str) else construct.compile(dialect=context.dialect)
        # The driver's parameter style doubles percent signs.
        text = str(compiled).replace("%%", "%")
        declaration = declared()
        if declaration is None:
            raise UndeclaredError(
                f"a revision does not declare the effect of this statement: {text[:100]}", reason="statement"
            )
        planned.append(PlannedStatement(text, declaration))

    context.impl._exec = record  # type: ignore[method-assign]  # where all of Alembic's statements pass
    context.autocommit_block = nullcontext  # type: ignore[method-assign, assignment]  # it would end our transaction
    context.opts[PLANNING_OPTION] = True
    try:
        yield planned
    finally:
        del context.impl._exec, context.autocommit_block, context.opts[PLANNING_OPTION]
