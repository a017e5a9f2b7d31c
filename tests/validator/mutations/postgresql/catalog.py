"""Everything in a schema, asked from PostgreSQL's catalog and not from the validator's reader, which is on trial."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from kms_schema import snapshots
from tests.validator.mutations.kinds import THIS_DATABASE, Row, Rows

QUERIES = sorted((Path(__file__).parent / "queries").glob("*.sql"))
"""What each row is about, and the query; `public` is the schema of the throwaway databases."""


def rows_of(connection: psycopg.Connection[tuple[Any, ...]]) -> Rows:
    """Return what is in the schema."""
    found: dict[str, list[Row]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET search_path = pg_catalog")  # names in definitions are then written with their schema
        for query in QUERIES:
            found[query.stem] = list(cursor.execute(query.read_bytes()).fetchall())
        cursor.execute("RESET search_path")
        found["columns"] = [{**column, "holds_null": _holds_null(cursor, column)} for column in found["columns"]]
    found["database"] = [
        {**row, "older": snapshots.chain()[-2], "database": THIS_DATABASE} for row in found["database"]
    ]
    return found


def _holds_null(cursor: psycopg.Cursor[dict[str, Any]], column: Row) -> bool:
    query = f"SELECT 1 FROM {column['on_relation']} WHERE {column['name']} IS NULL LIMIT 1"  # noqa: S608
    return cursor.execute(query.encode()).fetchone() is not None
