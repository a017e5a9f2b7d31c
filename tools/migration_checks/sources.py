"""The sources of revisions: Python that imports only frozen modules, and the SQL files that it names."""

import ast
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from alembic.script import ScriptDirectory

from tools.migration_checks.result import Result

MAY_IMPORT = frozenset(
    {
        "alembic",
        "sqlalchemy",
        "kms_schema.database.messages",
        "kms_schema.errors",
        "kms_schema.sql",
        "kms_schema.sql.checked_triggers",
        "kms_schema.sql.columns",
        "kms_schema.sql.data_loss",
        "kms_schema.sql.declarations",
        "kms_schema.sql.host_indexes",
        "kms_schema.sql.indexes",
        "kms_schema.sql.objects",
        "kms_schema.sql.operations",
        "kms_schema.sql.replacement",
        "kms_schema.sql.verbatim",
        "kms_schema.sql.violations",
    }
)
"""Beside the standard library: a live model would let an old revision change with every new one."""


def revision_files(script: ScriptDirectory) -> list[Path]:
    """Return the files of the revisions, oldest first."""
    return [Path(revision.path) for revision in script.walk_revisions()][::-1]


def sql_folder() -> Path:
    """Return the folder of the SQL files, one below it for each engine, and one for `both`."""
    return Path(str(files("kms_schema.sql")))


def sql_files() -> dict[str, Path]:
    """Return each versioned SQL file by its name below the folder, such as `sqlite/key_masters/key_masters_v01.sql`.

    Left out are the `statements`, which the operations run and which may change.
    """
    folder = sql_folder()
    found = sorted(file for part in ("both", "postgresql", "sqlite") for file in (folder / part).rglob("*.sql"))
    return {file.relative_to(folder).as_posix(): file for file in found}


def imported_modules(source: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, wherever in it, type checking included."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def check_imports(script: ScriptDirectory) -> Result:
    """Check that no revision imports more than Alembic, SQLAlchemy, the SQL files and the standard library."""
    problems = [
        f"{source.name} imports {module}: write out what it needs, as it is today"
        for source in revision_files(script)
        for module in imported_modules(source)
        if module not in MAY_IMPORT and module.partition(".")[0] not in sys.stdlib_module_names | MAY_IMPORT
    ]
    return Result(f"revisions import only {', '.join(sorted(MAY_IMPORT))} and the standard library", problems)


def check_files(script: ScriptDirectory) -> Result:
    """Check that each versioned SQL file is named by a revision."""
    named = {
        node.value
        for source in revision_files(script)
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    found = sql_files()
    problems = [
        f"{name} is named by no revision: name it, or remove it" for name in found if Path(name).stem not in named
    ]
    return Result(f"{len(found)} SQL files, each named by a revision", problems)
