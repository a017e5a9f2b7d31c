"""The errors that the package defines, in the order of their hierarchy."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import get_args

from alembic.util import CommandError

import kms_schema
from kms_schema.errors import KmsSchemaError
from tools.site.public_names import PUBLIC, names_of

APART = ("kms_schema.cli.", "kms_schema.audit.standalone.", "kms_schema.migrations")
"""Commands, whose errors are click's; programs that auditors copy, which import nothing; and revisions."""

ERROR_HEAD = ("error", "import from", "also a", "says", "`reason`")
_ALSO = (CommandError, OSError, TypeError, ValueError)


def defined_errors() -> frozenset[type[BaseException]]:
    """Return each exception without an underscore that a module of the package defines."""
    found: set[type[BaseException]] = set()
    for each in pkgutil.walk_packages(kms_schema.__path__, "kms_schema."):
        if not each.name.startswith(APART) and not each.name.endswith("__main__"):
            found |= {
                value
                for value in vars(import_module(each.name)).values()
                if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == each.name
            }
    return frozenset(error for error in found if not error.__name__.startswith("_"))


def hierarchy() -> Iterator[tuple[int, type[BaseException]]]:
    """Yield the depth and the class of each error below `KmsSchemaError`, those of a class after it."""
    errors = defined_errors()

    def below(parent: type[BaseException], depth: int) -> Iterator[tuple[int, type[BaseException]]]:
        children = (each for each in errors if parent in each.__bases__)
        for child in sorted(children, key=lambda each: (import_from(each), each.__name__)):
            yield depth, child
            yield from below(child, depth + 1)

    yield from below(KmsSchemaError, 0)


def reasons_of(error: type[BaseException]) -> tuple[str, ...]:
    """Return the values that the attribute `reason` of a class has, as its own annotation lists them."""
    return tuple(value for each in _alternatives(error) for value in get_args(each) if isinstance(value, str))


def has_always_a_reason(error: type[BaseException]) -> bool:
    """Return whether the annotation of a class lists reasons and excludes None."""
    return bool(reasons_of(error)) and type(None) not in _alternatives(error)


def _alternatives(error: type[BaseException]) -> tuple[object, ...]:
    annotation = inspect.get_annotations(error, eval_str=True).get("reason")
    return get_args(annotation) if type(None) in get_args(annotation) else (annotation,)


def import_from(error: type[BaseException]) -> str:
    """Return the module that a program imports an error from: the public one that has it, else its own."""
    public = (module for module in PUBLIC if error.__name__ in names_of(module))
    return next(
        (module for module in public if getattr(import_module(module), error.__name__) is error), error.__module__
    )


def error_rows() -> list[tuple[str, ...]]:
    """Return the rows of a table of the errors, in the order of their hierarchy."""
    return [
        (
            "· " * depth + f"`{error.__name__}`",
            f"`{import_from(error)}`",
            " ".join(f"`{base.__name__}`" for base in error.__bases__ if base in _ALSO),
            (error.__doc__ or "").strip().partition("\n")[0],
            " ".join(f"`{reason}`" for reason in reasons_of(error)),
        )
        for depth, error in hierarchy()
    ]
