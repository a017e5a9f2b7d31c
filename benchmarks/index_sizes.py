"""P9: each partial index, compared with a full index over the same columns, both freshly built.

For planning, it also reports the size of a row of each table, and of its entries in all indexes.
"""

from contextlib import closing

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured, Sizes
from support.engines.database import Connection
from support.statements import execute

PARTIAL = """SELECT class.relname, owner.relname, pg_get_indexdef(class.oid), pg_get_expr(indpred, indrelid)
FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid JOIN pg_class AS owner ON owner.oid = indrelid
WHERE indpred IS NOT NULL AND owner.relnamespace = current_schema()::regnamespace ORDER BY class.relname"""

TABLES = ("key_audit_logs", "key_masters", "key_versions", "key_rotations", "key_audit_leaves")
ROWS = "SELECT count(*), pg_table_size('{table}') FROM {table}"
INDEXES = (
    "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = '{table}'::regclass"
)


def measure(places: Places) -> list[Measured]:
    """Build both indexes in a transaction that is rolled back, and compare their sizes."""
    database = places.prepared(places.scale.workload)
    with closing(database.connect()) as connection:
        found = execute(connection, PARTIAL).fetchall()
        return [*(_compared(connection, *row) for row in found), *(_planned(connection, table) for table in TABLES)]


def _planned(connection: Connection, table: str) -> Measured:
    ((rows, of_table),) = execute(connection, ROWS.format(table=table)).fetchall()
    of_indexes = dict(execute(connection, INDEXES.format(table=table)).fetchall())
    sizes = Sizes(table, rows, of_table / rows, {name: size / rows for name, size in of_indexes.items()})
    return Measured(f"to compare: indexes ÷ {table}", sum(of_indexes.values()) / of_table, None, sizes=sizes)


def _compared(connection: Connection, name: str, table: str, definition: str, predicate: str) -> Measured:
    whole, _, _ = definition.rpartition(" WHERE ")
    of_columns = whole.partition(" USING ")[2]
    execute(connection, "BEGIN")
    try:
        sizes = []
        for twin, condition in (("partial_twin", f" WHERE {predicate}"), ("full_twin", "")):
            execute(connection, f"CREATE INDEX {twin} ON {table} USING {of_columns}{condition}")
            ((size,),) = execute(connection, f"SELECT pg_relation_size('{twin}')").fetchall()
            sizes.append(size)
    finally:
        execute(connection, "ROLLBACK")
    partial, full = sizes
    what = f"{name} ÷ full twin ({_megabytes(partial)} of {_megabytes(full)} MB)"
    return Measured(what, partial / full, Limit(0.4))


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f}"
