"""The SQL that `alembic … --sql` writes: generated for both engines, executed by SQLite, parsed for PostgreSQL."""

import importlib
import io
import sqlite3
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from types import ModuleType

from alembic import command
from alembic.config import Config

from tools.migration_checks.result import Result

SQLITE_URL = "sqlite://"
POSTGRESQL_URL = "postgresql://localhost/none"  # no program connects to it


def script_of(alembic_ini: Path, url: str, direction: str) -> str:
    """Return the SQL of the whole history, `direction` being `upgrade` or `downgrade`."""
    output = io.StringIO()
    options = Namespace(x=[f"url={url}"])
    config = Config(str(alembic_ini), cmd_opts=options, output_buffer=output, stdout=io.StringIO())
    config.attributes["configure_logger"] = False
    if direction == "upgrade":
        command.upgrade(config, "head", sql=True)
    else:
        command.downgrade(config, "head:base", sql=True)
    return output.getvalue()


def check_sqlite(alembic_ini: Path) -> Result:
    """Run the scripts up and down in a SQLite database in memory, and check that no object is left."""
    what = f"SQLite: scripts run up and down in SQLite {sqlite3.sqlite_version}"
    try:
        scripts = [script_of(alembic_ini, SQLITE_URL, direction) for direction in ("upgrade", "downgrade")]
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(scripts[0])
            made = _objects(connection)
            connection.executescript(scripts[1])
            left = _objects(connection)
    except Exception as error:  # noqa: BLE001  (whatever a revision raises is what this reports)
        return Result(what, [f"{type(error).__name__}: {error}"])
    return Result(f"{what}, making {len(made)} objects", [f"downgrade leaves {name} behind" for name in left])


def _objects(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT type || ' ' || name FROM sqlite_master WHERE tbl_name <> 'alembic_version'"
    return [name for (name,) in connection.execute(query)]


def check_postgresql(alembic_ini: Path) -> Result:
    """Have PostgreSQL's own parser read the scripts, function bodies included, where `pglast` is installed."""
    try:
        scripts = [script_of(alembic_ini, POSTGRESQL_URL, direction) for direction in ("upgrade", "downgrade")]
    except Exception as error:  # noqa: BLE001  (whatever a revision raises is what this reports)
        return Result("PostgreSQL: scripts are generated", [f"{type(error).__name__}: {error}"])
    try:
        parser = importlib.import_module("pglast")
    except ImportError:
        size = sum(len(script) for script in scripts)
        return Result(f"PostgreSQL: scripts of {size} characters generated, NOT parsed (pglast is not installed)")
    statements = [statement for script in scripts for statement in parser.split(script, with_parser=False)]
    problems: list[str] = []
    bodies = sum(_parse(parser, statement, problems) for statement in statements)
    version = ".".join(map(str, parser.get_postgresql_version()))
    what = f"PostgreSQL: {len(statements)} statements, {bodies} of them with PL/pgSQL, parsed by {version}'s own parser"
    return Result(what, problems)


def _parse(parser: ModuleType, statement: str, problems: list[str]) -> bool:
    """Parse a statement, adding to `problems`; return whether there was a body of PL/pgSQL in it to parse too."""
    try:
        kinds = [type(raw.stmt).__name__ for raw in parser.parse_sql(statement)]
        in_plpgsql = kinds == ["DoStmt"] or (kinds == ["CreateFunctionStmt"] and "LANGUAGE plpgsql" in statement)
        if in_plpgsql:
            parser.parse_plpgsql(statement)
    except parser.parser.ParseError as error:
        problems.append(f"{error.args[0]} in: {' '.join(statement.split())[:100]}")
        return False
    return in_plpgsql
