"""The rules of the layout: allowed imports, and names of modules."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

from support.engines.programs import REPOSITORY
from tools.migration_checks.sources import MAY_IMPORT, imported_modules

PACKAGE = REPOSITORY / "kms_schema"
REVISIONS = sorted((REPOSITORY / "migrations" / "versions").glob("*.py"))
SCRIPTS = sorted((REPOSITORY / "scripts").glob("*.py"))

FROZEN = {name for name in MAY_IMPORT if name.startswith("kms_schema.")}
"""The modules that revisions use; their output never changes."""


def module_name(file: Path) -> str:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules that a module of the package imports: of ours in full, of others the top-level name."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{module} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    ours = {name for name in found if name in MODULES and name != "kms_schema"}
    return frozenset(ours | {name.partition(".")[0] for name in found if not name.startswith("kms_schema")})


def reachable(module: str) -> set[str]:
    """Return everything that importing a module can bring in, lazy imports included."""
    seen: set[str] = set()
    unread = [module]
    while unread:
        name = unread.pop()
        if name not in seen:
            seen.add(name)
            if name in MODULES:
                unread.extend(imports(name))
    return seen


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("kms_schema.validator")])
def test_the_validator_needs_neither_sqlalchemy_nor_alembic_nor_the_models(module: str) -> None:
    slow = {"sqlalchemy", "alembic", "kms_schema.models", "kms_schema.sql"}
    assert reachable(module) & slow == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("kms_schema.validator")])
def test_the_validator_needs_no_encryption(module: str) -> None:
    assert [name for name in reachable(module) if name.startswith("kms_schema.crypto")] == []


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("kms_schema.models")])
def test_the_models_do_not_need_cryptography(module: str) -> None:
    assert reachable(module) & {"cryptography", "kms_schema.crypto"} == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("kms_schema.models")])
def test_the_models_do_not_need_the_migrations(module: str) -> None:
    assert reachable(module) & {"alembic", "kms_schema.sql"} == set()


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda file: file.stem)
def test_a_revision_imports_nothing_live(revision: Path) -> None:
    foreign = {
        module
        for module in imported_modules(revision)
        if module.partition(".")[0] not in sys.stdlib_module_names | {"alembic", "sqlalchemy"}
    }
    assert foreign <= FROZEN


def test_modules_that_revisions_import_are_not_live_either() -> None:
    """`kms_schema.sql` may grow, but not so that an old revision would read today's vocabulary through it."""
    ours = {name for part in FROZEN for name in reachable(part) if name.startswith("kms_schema")}
    assert ours == FROZEN


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.stem)
def test_scripts_have_no_logic_of_their_own(script: Path) -> None:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    logic = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try)
    assert [type(node).__name__ for node in ast.walk(tree) if isinstance(node, logic)] == []


def test_no_module_has_a_name_without_a_subject() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    folders = ("kms_schema", "migrations", "scripts", "support", "tests")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*.py")]
    names = {part for file in files for part in file.relative_to(REPOSITORY).with_suffix("").parts}
    assert names & vague == set()


def bound(package: str, source: str) -> set[str]:
    """Return the names that the file of a package binds itself, without the modules below the package."""
    found = set()
    statements = list(ast.parse(source).body)
    for node in statements:
        if isinstance(node, ast.If | ast.Try):
            statements += [*node.body, *node.orelse]
        elif isinstance(node, ast.ImportFrom):
            found |= {each.asname or each.name for each in node.names if f"{node.module}.{each.name}" not in MODULES}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
    return {f"{package}.{name}" for name in found}


def test_no_module_has_the_name_of_something_that_its_package_binds() -> None:
    """Else `import package.name` would return the other one, as the order of the imports has it."""
    packages = {name: file for name, file in MODULES.items() if file.name == "__init__.py"}
    names = {each for name, file in packages.items() for each in bound(name, file.read_text(encoding="utf-8"))}
    assert names & MODULES.keys() == set()
    sample = (
        "from kms_schema.cli import options\nfrom kms_schema.engine import engine as streams\ndef messages(): ...\n"
    )
    assert bound("kms_schema.cli", sample) & MODULES.keys() == {"kms_schema.cli.streams", "kms_schema.cli.messages"}
