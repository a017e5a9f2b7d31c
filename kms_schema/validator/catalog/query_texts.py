"""The statements that read PostgreSQL's catalog, out of the files of `queries/`."""

from functools import cache
from pathlib import Path

# importlib.resources would take longer to import than all these files to read.
_FOLDER = Path(__file__).parent / "queries"
_OBJECT_QUERIES = (
    "relation", "column", "constraint", "index", "trigger", "function", "sequence", "rule", "policy",
    "child_table", "incoming_reference", "statistics", "type", "extension",
)  # fmt: skip
_POSTURE_QUERIES = (
    "posture_settings", "posture_roles", "posture_objects", "posture_distributed", "posture_hardening",
    "posture_builtins", "posture_catalog", "posture_names", "posture_parameters",
)  # fmt: skip
_OURS = """WITH ours AS MATERIALIZED (
    SELECT c.*, {place} AS place FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
      AND (%(relations)s::text[] IS NULL OR c.relname = ANY (%(relations)s))
)
"""

# The table in the key of what is attached to it, as `attached` writes it.
_PLACE = r"""CASE WHEN c.relname ~ '^"|\.' THEN '"' || replace(c.relname, '"', '""') || '"'
    ELSE c.relname::text END || '.'"""


@cache
def object_query() -> bytes:
    """Return the query of all objects."""
    text = _OURS + "\nUNION ALL\n".join(sql(name).decode() for name in _OBJECT_QUERIES)
    return text.replace("{place}", _PLACE).encode()


@cache
def posture_query(*, with_parameters: bool) -> bytes:
    """Return the query of what could bypass the protections; `with_parameters` on 15 and later."""
    parts = _POSTURE_QUERIES if with_parameters else _POSTURE_QUERIES[:-1]
    return sql("posture") + b"\nUNION ALL\n".join(map(sql, parts))


@cache
def sql(name: str) -> bytes:
    """Return the text of a file of `queries/`."""
    return (_FOLDER / f"{name}.sql").read_bytes()
