"""The errors that the package defines, in the order of their hierarchy."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import kms_schema
from kms_schema.errors import KmsSchemaError
from tools.site.public_names import PUBLIC, names_of

APART = ("kms_schema.cli.", "kms_schema.audit.standalone.", "kms_schema.migrations")
"""Commands, whose errors are click's; programs that auditors copy, which import nothing; and revisions."""


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


def import_from(error: type[BaseException]) -> str:
    """Return the module that a program imports an error from: the public one that has it, else its own."""
    public = (module for module in PUBLIC if error.__name__ in names_of(module))
    return next(
        (module for module in public if getattr(import_module(module), error.__name__) is error), error.__module__
    )
