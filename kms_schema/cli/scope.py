"""The options that say which objects of an application are compared."""

from collections.abc import Sequence

import click

from kms_schema.cli.options import Decorator, together
from kms_schema.validator.host.scope import Scope


def _names(_context: click.Context, _parameter: click.Parameter, given: str | None) -> tuple[str, ...]:
    """Return the names of a list with commas; raises `BadParameter` for an empty one."""
    if given is None:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",")))
    if not all(names):
        raise click.BadParameter("write the names of schemas with commas between them, such as public,sales")
    return names


scope_options: Decorator = together(
    click.option(
        "--schemas", metavar="NAMES", callback=_names, help="Several PostgreSQL schemas, such as public,sales."
    ),
    click.option(
        "--exclude", multiple=True, metavar="PATTERN",
        help="Leave out tables, views, functions and sequences, such as tmp_* or sales.old_*.",
    ),
)  # fmt: skip
"""Which objects of a host are compared."""


def scope_of(schema: str, schemas: Sequence[str], exclude: Sequence[str]) -> Scope:
    """Return the scope of the options; `schema` is compared where `schemas` is empty."""
    return Scope(tuple(schemas) or (schema,), tuple(exclude))
