"""Objects that a name, an operator or a cast in a statement can mean in place of a built-in one."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from kms_schema.database.system_catalogs import CATALOGS, OTHERS, VIEWS, numbers, replaced, rows
from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog import builtins
from kms_schema.validator.checks.posture import Observed

if TYPE_CHECKING:
    import psycopg

Row: TypeAlias = tuple[str, str, bool, str, str | None]
"""A row of `name_resolution.sql`: kind, schema, whether that is the schema of a role, object, and SQL to remove it."""

_CATALOG = "pg_catalog"
_CODES = {"operator": "KMS451", "function": "KMS452"}
_PATH = "search_path="
_NAME = re.compile(r'\s*("(?:[^"]|"")*"|[^",]+)')
_UNDEFINED = {"42883": "function", "42P01": "view", "42704": "type"}
"""By SQLSTATE: what the validator's statements name without a schema is in pg_catalog."""
_WITHOUT_SCHEMA = re.compile(r'(function [a-z]|type "(pg_catalog\.)?[^."]+"|relation "(pg_catalog\.)?pg_[^."]+")')


def read(cursor: "psycopg.Cursor[Any]", query: bytes, schema: str) -> Iterator[Observed]:
    """Yield a row of the posture for each such object, by `name_resolution.sql`, and for each catalog that another
    relation has replaced.

    It is read before all else: a cast that calls a function runs its code in the statements that use it. Raises the
    error of the server for a catalog that has the rule of a view, so that one would read another table.
    """
    names = (*CATALOGS, *VIEWS, *OTHERS)
    others = replaced(names, cursor.execute(numbers(names).encode()).fetchall()[0])
    cursor.execute(rows(name for name in CATALOGS if name not in others).encode())
    for name in others:
        yield "KMS445", f"relation pg_catalog.{name}", "is not PostgreSQL's own", None
    yield from observed(cursor.execute(query, {"builtins": builtins.numbers()}).fetchall(), schema)


def observed(found: Iterable[Row], ours: str) -> Iterator[Observed]:
    """Yield a row of the posture for each such object in pg_catalog, in the schema `ours`, or on a search path.

    The path of a database, of a role or of this session counts, and `public` always: a session may set another.
    """
    found = list(found)
    path = {ours, "public", *_names(about for kind, _, _, about, _ in found if kind == "setting")}
    for kind, schema, of_role, about, removal in found:
        if kind == "cast":
            yield "KMS445", about, "is not one of PostgreSQL's", removal
        elif kind == "setting":
            continue
        elif schema == _CATALOG:
            yield "KMS445", about, "has the name of a built-in one", removal
        elif schema in path or (of_role and "$user" in path):
            yield _CODES[kind], f"{kind}s of schema {quoted(schema)}", about, removal


def cause(misleading: Iterable[Observed], sqlstate: str | None, message: str) -> str | None:
    """Return the changed built-in object for which a statement of the validator failed with this error, if any."""
    if named := [about for code, about, *_ in misleading if code == "KMS445"]:
        return f"this server has what is not PostgreSQL's ({', '.join(named)})"
    if sqlstate in _UNDEFINED and _WITHOUT_SCHEMA.match(message):
        return f"a built-in {_UNDEFINED[sqlstate]} of PostgreSQL is missing; if it was renamed, give it back its name"
    return None


def _names(settings: Iterable[str]) -> Iterator[str]:
    """Yield the schemas that settings of search_path name, as PostgreSQL stores them."""
    for setting in settings:
        if setting.lower().startswith(_PATH):
            for name in _NAME.findall(setting, len(_PATH)):
                yield name[1:-1].replace('""', '"') if name.startswith('"') else name.strip().lower()
