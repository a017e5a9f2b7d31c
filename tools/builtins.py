"""Write the digests of the built-in objects that the validator expects, from a server of each supported version.

    python -m tools.builtins --postgresql URL [--postgresql URL]…

They are of the functions and views that the package's SQL may call, and of every aggregate and every function in SQL.
Minor versions do not change them.
"""

import argparse
import re
import textwrap
from pathlib import Path

import psycopg

from kms_schema.validator.catalog.builtins import CODE, FILE

PACKAGE = Path(__file__).resolve().parents[1] / "kms_schema"
QUERY = FILE.parent / "queries" / "posture_builtins.sql"
SYNTAX = {"btrim", "date_part", "extract", "like", "now", "overlay", "position", "substring", "timezone"}
"""The functions of SQL syntax such as AT TIME ZONE."""
VIEWS = ("pg_locks", "pg_roles", "pg_settings", "pg_stat_activity", "pg_timezone_names")
_CALL = re.compile(r"\b([a-z_][a-z0-9_]*)\s*\(")
_KEYS = """
    SELECT oid::text FROM pg_catalog.pg_proc
    WHERE oid < 8000 AND prolang = 12 AND prokind <> 'a' AND proname::text = ANY (%s)
"""


def called() -> list[str]:
    """Return every name that the package's files call; those that are no built-in function do no harm."""
    files = (path for pattern in ("*.sql", "*.py") for path in PACKAGE.rglob(pattern) if "snapshots" not in path.parts)
    return sorted(SYNTAX.union(*(_CALL.findall(path.read_text("utf-8")) for path in files)))


def keys_of(connection: "psycopg.Connection[tuple[str]]") -> set[str]:
    """Return the functions and views of a server that are called, by number or name."""
    return {key for (key,) in connection.execute(_KEYS, (called(),))} | set(VIEWS)


def digests_of(connection: "psycopg.Connection[tuple[str, ...]]", keys: set[str]) -> set[str]:
    """Return `key:digest` of each built-in object of a server that the validator compares."""
    connection.execute("SET search_path = pg_catalog, pg_temp")
    rows = connection.execute(QUERY.read_bytes(), {"builtins": sorted(keys)}).fetchall()
    return {f"{key}:{digest}" for code, _, digest, key in rows if code == CODE}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tools.builtins", description=__doc__.partition("\n")[0])
    parser.add_argument("--postgresql", action="append", required=True, metavar="URL", help="a server of each version")
    connections = [psycopg.connect(url.replace("+psycopg", "")) for url in parser.parse_args().postgresql]
    keys = set().union(*(keys_of(connection) for connection in connections))
    found = {f"version:{connection.info.server_version // 10000}" for connection in connections}
    found = found.union(*(digests_of(connection, keys) for connection in connections))
    FILE.write_text(textwrap.fill(" ".join(sorted(found, key=_order)), 120) + "\n", "utf-8")


def _order(entry: str) -> tuple[str, str]:
    key, _, digest = entry.partition(":")
    return key.zfill(5) if key.isdigit() else f"p{key}", digest


if __name__ == "__main__":
    main()
