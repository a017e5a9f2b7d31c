"""Statements that SQLAlchemy sends without change. The module stands apart: texts are also read without SQLAlchemy."""

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class Verbatim(sa.Executable, sa.ClauseElement):
    """A statement that SQLAlchemy sends as it is: no colon in it is a bind parameter."""

    inherit_cache: bool | None = False

    def __init__(self, text: str) -> None:
        """Keep the statement's text."""
        self.text = text


@compiles(Verbatim)
def _text_of(element: Verbatim, compiler: SQLCompiler, **_: object) -> str:
    return str(compiler.post_process_text(element.text))  # type: ignore[no-untyped-call]
