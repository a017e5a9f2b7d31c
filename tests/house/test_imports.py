"""Imports of the package: each package imports from those below it, without circles."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from support.engines.programs import REPOSITORY
from support.import_graph import ROOT, Import, all_imports, in_circles, modules, read
from tools.architecture import order

ORDER = (*order(), "tools", "facade", "__main__")
"""The total order of the packages, from the bottom up; a package imports from itself and from those before it."""

PLACES = {
    "kms_schema": "facade",
}
"""Modules and packages whose names differ from those in ORDER, with their places; the longest name decides."""

GATES = {
    "kms_schema",
    "kms_schema.audit",
    "kms_schema.audit.formats.keys",
    "kms_schema.audit.storage.open",
    "kms_schema.cli.lazy_group",
    "kms_schema.crypto",
    "kms_schema.database.sources",
    "kms_schema.pytest_plugin",
    "kms_schema.rotations.opening",
    "kms_schema.validator.formats",
    "kms_schema.validator.on_demand",
}
"""Modules that may import inside functions: they choose an engine, a format, a command, a public name or a source.

`formats.keys` is one because cryptography takes 40 ms: only signatures need it, and every command of audit knows keys.
"""

LATE = (
    "difflib", "prometheus_client", "psycopg", "sqlalchemy",
    "kms_schema.audit.listing", "kms_schema.audit.retention", "kms_schema.audit.storage",
    "kms_schema.crypto.wrappers", "kms_schema.database.begun_transactions", "kms_schema.database.pinned_path",
    "kms_schema.engine", "kms_schema.hsm", "kms_schema.keyring", "kms_schema.migrate", "kms_schema.models",
    "kms_schema.monitoring.exposition", "kms_schema.preflight", "kms_schema.roles.applying", "kms_schema.roots",
    "kms_schema.rotations.opening", "kms_schema.rotations.policies", "kms_schema.snapshots",
    "kms_schema.validator.host.comparison", "kms_schema.validator.host.snapshots", "kms_schema.validator.waivers",
)  # fmt: skip
"""Modules, with those below them, that the commands import in the functions that use them, and nowhere else.

SQLAlchemy and the drivers take a second, and `--help` needs none. No other package may import so, but for GATES.
"""

FRESH = """
import json, os, sys
from importlib import import_module
from importlib.machinery import SourceFileLoader
# Third-party modules that import slowly: once for all children.
import alembic.command, click, concurrent.futures.process, psycopg, sqlalchemy.dialects.postgresql, sqlalchemy.orm
import cryptography.hazmat.primitives.asymmetric.ed25519, cryptography.hazmat.primitives.ciphers.aead

def begin(work):
    assert not [name for name in sys.modules if name.partition(".")[0] == "kms_schema"]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as pipe:
                json.dump(work(), pipe)
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)
    os.close(writer)
    return child, reader

def end(begun):
    child, reader = begun
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(answer)

def load(names):
    for name in names:
        import_module(name)
    return sorted(name for name in sys.modules if name.partition(".")[0] == "kms_schema")

def replaced(packages, names):
    before = {}
    for package in packages:
        module = import_module(package)
        before.update({(package, name): getattr(module, name) for name in getattr(module, "__all__", ())})
    load(names)
    assert ("kms_schema", "validate") in before
    after = {each: getattr(sys.modules[each[0]], each[1]) for each in before}
    return [
        ".".join(each) for each, value in before.items()
        if after[each] is not value or isinstance(value, type(sys))
        or each[0] == "kms_schema" and not callable(value) and each[1] != "__version__"
    ]

places, packages, names, files = json.load(sys.stdin)
compiled = {file: compile(open(file, "rb").read(), file, "exec") for file in files}  # no child compiles them again
SourceFileLoader.source_to_code = lambda self, data, path: compiled.get(path) or compile(data, path, "exec")
begun = {place: begin(lambda: load(places[place])) for place in places}
checked = begin(lambda: replaced(packages, names))
json.dump([{place: end(each) for place, each in begun.items()}, end(checked)], sys.stdout)
"""
"""Each place of ORDER in a process of its own, forked before it imports anything of the package."""


def place_of(module: str) -> str:
    """Return the place of a module in ORDER; ValueError if it has none."""
    name = module
    while name:
        if name in PLACES and (name != ROOT or module == ROOT):
            return PLACES[name]
        name = name.rpartition(".")[0]
    place = module.split(".")[1]
    if place not in ORDER:
        raise ValueError(f"{module} has no place: add {place} to ORDER or PLACES")
    return place


def is_above(module: str, other: str) -> bool:
    """Return whether a module stands above another one in ORDER."""
    return ORDER.index(place_of(module)) > ORDER.index(place_of(other))


def importable() -> list[str]:
    """Return the modules that a program may import: no `__main__`, and not the revisions, which Alembic loads."""
    return [name for name in modules() if not name.endswith("__main__") and place_of(name) != "migrations"]


@cache
def fresh() -> tuple[dict[str, list[str]], list[str]]:
    """Return the modules that each place loads, and the public names that a module of the same name replaces."""
    places: dict[str, list[str]] = {}
    for name in importable():
        places.setdefault(place_of(name), []).append(name)
    packages = [name for name in importable() if modules()[name].name == "__init__.py"]
    files = [str(modules()[name]) for name in importable()]
    ran = subprocess.run(
        [sys.executable, "-c", FRESH], cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        input=json.dumps([places, packages, importable(), files]), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    loaded, replaced = json.loads(ran.stdout)
    return loaded, replaced


def arrows_up() -> set[str]:
    found = {(each.module, each.target) for each in all_imports() if each.target in modules()}
    return {f"up: {module} -> {target}" for module, target in found if is_above(target, module)}


def circles() -> set[str]:
    """Return the imports that are part of a circle within one package; any other circle has an arrow up."""
    arrows = {
        (each.module, each.target)
        for each in all_imports()
        if each.target in modules()
        and place_of(each.target) == place_of(each.module)
        and not (each.for_types and place_of(each.module) == "models")
    }
    return {f"circle: {module} -> {target}" for module, target in in_circles(arrows)}


def imports_in_functions() -> set[str]:
    return {
        f"inside: {each.module} -> {each.target}"
        for each in all_imports()
        if each.in_function and not each.for_types and each.module not in GATES and not is_late(each)
    }


def is_late(found: Import) -> bool:
    """Return whether a command imports a module of LATE."""
    return place_of(found.module) == "cli" and late(found.target) is not None


def late(module: str) -> str | None:
    """Return the entry of LATE that a module is below, if there is one."""
    return next((each for each in LATE if f"{module}.".startswith(f"{each}.")), None)


def loads() -> set[str]:
    """Return the packages that a fresh interpreter loads although they stand above the package it imports.

    Importing any module of the package runs the file of the package itself, which is not the module's doing.
    """
    return {
        f"loads: {place} -> {place_of(name)}"
        for place, names in fresh()[0].items()
        for name in names
        if name != ROOT and ORDER.index(place_of(name)) > ORDER.index(place)
    }


KINDS = {"up": arrows_up, "circle": circles, "inside": imports_in_functions, "loads": loads}


@pytest.mark.parametrize("kind", KINDS)
def test_no_import_breaks_the_order(kind: str) -> None:
    assert sorted(KINDS[kind]()) == []


def test_every_module_has_one_place() -> None:
    assert {place_of(name) for name in modules()} <= set(ORDER)
    assert len(set(ORDER)) == len(ORDER)
    assert set(PLACES) <= set(modules()), "PLACES names a module that does not exist"


def test_there_are_at_most_twelve_gates_and_each_is_used() -> None:
    assert len(GATES) <= 12
    assert {each.module for each in all_imports() if each.in_function and each.module in GATES} == GATES


def test_each_late_module_is_imported_so_and_no_other_way() -> None:
    of_commands = [each for each in all_imports() if place_of(each.module) == "cli" and not each.for_types]
    assert {late(each.target) for each in of_commands if each.in_function} >= {*LATE}


def test_no_module_replaces_a_public_name() -> None:
    """After every module is imported, each name in an `__all__` is the same object, and callable in kms_schema."""
    assert fresh()[1] == []


def test_no_module_imports_a_module_of_tests() -> None:
    """Helpers stand in modules of their own, where a reader finds them by name: beside the tests, or in support.

    Tools, benchmarks and support import none of tests, and support none of the others.
    """
    tested = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*test_", re.MULTILINE)
    outside = re.compile(r"^\s*(?:from|import) tests\b", re.MULTILINE)
    upwards = re.compile(r"^\s*(?:from|import) (?:tests|tools|benchmarks)\b", re.MULTILINE)
    forbidden = {"tests": tested, "kms_schema": upwards, "support": upwards}
    forbidden |= dict.fromkeys(("tools", "benchmarks", "scripts"), outside)
    files = {
        file: imports
        for folder, imports in forbidden.items()
        for file in sorted((REPOSITORY / folder).rglob("*"))
        if file.suffix in ("", ".py") and file.is_file()
    }
    assert [str(file) for file, imports in files.items() if imports.search(file.read_text("utf-8"))] == []


SAMPLE = """
import os
from typing import TYPE_CHECKING
from importlib import import_module
if TYPE_CHECKING:
    from kms_schema.sql import operations
WHERE = {"a": "kms_schema.cli:program"}
def first():
    from kms_schema.models import base
    return lambda: import_module("kms_schema.engine")
async def second():
    __import__("heavy")
    return files("kms_schema.snapshots"), import_module(f"{__name__}.{style}")
STYLES = ("json",)
"""


def test_the_reader_finds_every_kind_of_import() -> None:
    names = [
        "cli",
        "engine",
        "models",
        "models.base",
        "snapshots",
        "sql",
        "sql.operations",
        "own",
        "own.json",
        "own.html",
    ]
    known = {f"{ROOT}.{name}": Path("__init__.py") for name in names}
    found = {(each.target, each.in_function, each.for_types) for each in read(f"{ROOT}.own", known, SAMPLE)}
    assert {each for each in found if each[0] not in ("os", "typing", "importlib")} == {
        ("kms_schema.sql.operations", False, True), ("kms_schema.cli", False, False),
        ("kms_schema.models.base", True, False), ("kms_schema.engine", True, False),
        ("kms_schema.engine", False, False), ("heavy", True, False), ("import_module", True, False),
        ("kms_schema.own.json", False, False),
    }  # fmt: skip


def test_circles_are_found() -> None:
    assert set(in_circles({("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")})) == {("a", "b"), ("b", "c"), ("c", "a")}
