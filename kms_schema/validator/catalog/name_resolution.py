"""Objects that a name, an operator or a cast in a statement can mean in place of a built-in one."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from kms_schema.text.identifiers import quoted
from kms_schema.validator.checks.posture import Observed

Row: TypeAlias = tuple[str, str, bool, str, str | None]
"""A row of `name_resolution.sql`: kind, schema, whether that is the schema of a role, object, and SQL to remove it."""

_CATALOG = "pg_catalog"
_CODES = {"operator": "KMS451", "function": "KMS452"}
_PATH = "search_path="
_UNDEFINED_FUNCTION = "42883"
"""Every function that the validator calls is one of pg_catalog."""


def observed(rows: Iterable[Row], ours: str) -> Iterator[Observed]:
    """Yield a row of the posture for each such object in pg_catalog, in the schema `ours`, or on a search path.

    The path of a database, of a role or of this session counts, and `public` always: a session may set another.
    """
    rows = list(rows)
    path = {ours, "public", *_names(about for kind, _, _, about, _ in rows if kind == "setting")}
    for kind, schema, of_role, about, removal in rows:
        if kind == "cast":
            yield "KMS445", about, "is not one of PostgreSQL's", removal
        elif kind == "setting":
            continue
        elif schema == _CATALOG:
            yield "KMS445", about, "has the name of a built-in one", removal
        elif schema in path or (of_role and "$user" in path):
            yield _CODES[kind], f"{kind}s of schema {quoted(schema)}", about, removal


def cause(misleading: Iterable[Observed], sqlstate: str | None) -> str | None:
    """Return what is wrong with built-in objects, if a statement of the validator failed with `sqlstate` for it."""
    if named := [about for code, about, *_ in misleading if code == "KMS445"]:
        return f"this server has what is not PostgreSQL's ({', '.join(named)})"
    if sqlstate == _UNDEFINED_FUNCTION:
        return "a built-in function of PostgreSQL is missing; if it was renamed, give it back its name"
    return None


def _names(settings: Iterable[str]) -> Iterator[str]:
    """Yield the schemas that settings of search_path name, as PostgreSQL stores them."""
    for setting in settings:
        if setting.lower().startswith(_PATH):
            for name in setting[len(_PATH) :].split(","):
                yield name.strip().strip('"').replace('""', '"')
