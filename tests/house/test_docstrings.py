"""Docstrings of the public API: a function with three or more parameters names each, and what it raises.

The public API is what a program outside a package calls:

- every name in the `__all__` of a package or module of kms_schema,
- every name that a page of docs/, the README or the example application imports from kms_schema,
- every name that the commands and the pytest plugin import from the other packages.

Of a class, its public methods count. A docstring names a parameter as a word; a parameter that begins with `_` is no
part of the API. It contains "raises" with the class of each exception that the function itself raises; if it raises
none, it says so ("Raises nothing of its own"), or names those of what it calls.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import FunctionType

import pytest

from support.import_graph import ROOT, modules
from support.public_api import exported, imported_in_texts

FEWEST_PARAMETERS = 3
CALLERS = (f"{ROOT}.cli", f"{ROOT}.pytest_plugin")


def is_caller(module: str) -> bool:
    """Return whether a module is a command or the plugin, which call the API and are no part of it."""
    return any(module == caller or module.startswith(caller + ".") for caller in CALLERS)


def imported_by_callers() -> Iterator[tuple[str, str]]:
    """Yield module and name of everything that commands and the plugin use of other packages.

    They import names, or a module of which they use names: what is slow to import is imported on use.
    """
    for module, file in modules().items():
        if not is_caller(module):
            continue
        tree, places = ast.parse(file.read_text("utf-8")), {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(ROOT):
                names = [alias for alias in node.names if not is_caller(node.module)]
                yield from ((node.module, alias.name) for alias in names)
                places |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in places:
                yield places[node.value.id], node.attr


@cache
def public_functions() -> dict[str, FunctionType]:
    """Return the functions and methods of the public API by their full names."""
    found: dict[str, FunctionType] = {}
    for module, name in {*exported(), *imported_in_texts(), *imported_by_callers()}:
        if module not in modules() or name.startswith("_"):
            continue
        thing = getattr(import_module(module), name, None)
        functions = [thing] if inspect.isfunction(thing) else []
        if inspect.isclass(thing) and thing.__module__.startswith(ROOT):
            functions = [
                each for key, each in vars(thing).items() if not key.startswith("_") and inspect.isroutine(each)
            ]
        for function in (getattr(each, "__func__", each) for each in map(inspect.unwrap, functions)):
            if inspect.isfunction(function) and function.__module__.startswith(ROOT):
                found[f"{function.__module__}.{function.__qualname__}"] = function
    return found


def parameters(function: FunctionType) -> list[str]:
    names = list(inspect.signature(function).parameters)
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def raised(function: FunctionType) -> set[str]:
    """Return the classes of the exceptions that a function itself raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    thrown = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    names = (ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in thrown)
    return {name for name in names if name.rpartition(".")[2][:1].isupper()} - {"AssertionError"}


def missing(function: FunctionType) -> list[str]:
    """Return what the docstring of a function does not name."""
    text = inspect.getdoc(function) or ""
    names = [*parameters(function), *sorted(name.rpartition(".")[2] for name in raised(function))]
    found = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]
    return found if re.search(r"\braises?\b", text, re.IGNORECASE) else [*found, "raises"]


def undocumented() -> dict[str, list[str]]:
    functions = public_functions()
    long = {name for name, each in functions.items() if len(parameters(each)) >= FEWEST_PARAMETERS}
    return {name: gaps for name in sorted(long) if (gaps := missing(functions[name]))}


def test_every_parameter_and_error_is_in_the_docstring() -> None:
    assert undocumented() == {}


@pytest.mark.parametrize(
    "name",
    [
        "kms_schema.validator.validate", "kms_schema.validator.formats.render", "kms_schema.roles.applying.apply",
        "kms_schema.rotations.queue.RotationQueue.claim", "kms_schema.audit.retention.archive.write_archive",
    ],
)  # fmt: skip
def test_the_public_api_is_found(name: str) -> None:
    """A name from each source: `__all__`, a page, a command; functions and methods."""
    assert name in public_functions()


def test_a_gap_is_found() -> None:
    def example(first: int, second: int, third: int) -> None:
        """Take `first` and `third`."""
        if first:
            raise KeyError(second)
        raise ValueError(third)

    assert missing(example) == ["second", "KeyError", "ValueError", "raises"]
    example.__doc__ = "Take `first`, `second` and `third`. Raises `KeyError` and `ValueError`."
    assert missing(example) == []
