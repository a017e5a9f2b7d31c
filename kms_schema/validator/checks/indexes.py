"""The indexes against their tables: an index that lacks a row hides it from every query that reads the index.

On PostgreSQL the rows that each index finds are compared with the rows in the table, by two sums of a random hash of
their places. A BRIN index is compared by the ends of the values in each of its ranges. Where the extension `amcheck` is
installed and this role may use it, `bt_index_check` also checks the order within each B-tree. SQLite has
`PRAGMA integrity_check`. The number of statements does not depend on the rows.
"""

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kms_schema.database.query_plans import BY_BITMAP, IN_ORDER_OF_INDEX, SCAN
from kms_schema.text.identifiers import literal, quoted
from kms_schema.validator.catalog.attributes import Objects, UnreadableError
from kms_schema.validator.checks.row_reader import NEEDS, RowReader
from kms_schema.validator.diff.findings import Finding, finding_of

CODE = "KMS518"
WANTED = "every row of its table"

# Indexes that the server maintains and reads: others have a finding of their own.
_INDEXES = """SELECT i.relname::text, c.relname::text, am.amname::text, i.oid::bigint,
    regexp_replace(pg_get_indexdef(i.oid), '^.* USING ', ''), pg_get_expr(x.indpred, x.indrelid),
    coalesce(substring(array_to_string(i.reloptions, ',') FROM 'pages_per_range=(\\d+)')::bigint, 128),
    has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid),
    (SELECT p.oid::regprocedure::text FROM pg_extension e
        JOIN pg_depend d ON (d.refclassid, d.refobjid) = ('pg_extension'::regclass, e.oid)
        JOIN pg_proc p ON (d.classid, d.objid) = ('pg_proc'::regclass, p.oid)
        WHERE e.extname = 'amcheck' AND p.proname = 'bt_index_check' AND p.pronargs = 2
        AND has_schema_privilege(p.pronamespace, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE'))
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_am am ON am.oid = i.relam JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '{schema}' AND i.relname = ANY (ARRAY[{names}]::name[])
    AND x.indisvalid AND x.indisready AND x.indislive AND i.relkind = 'i' AND c.relkind IN ('r', 'm')
    AND c.relispopulated
ORDER BY 1"""

_DIGEST = "count(*){only}, coalesce(sum(hashtextextended({alias}.ctid::text, {seed})){only}, 0)::text"
_OF_INDEX = (
    "SELECT {digest}"
    " FROM (SELECT {alias}.ctid FROM ONLY {table} AS {alias}{where} ORDER BY {columns} OFFSET 0) AS {alias}"
)
_OF_TABLE = "SELECT {digests} FROM ONLY {table} AS t"
# The least and the greatest value of each range of pages, each looked up in its own range.
_RANGES = """SELECT count(*), coalesce(min(ends.value)::text, '') FROM (
    SELECT place, min(value) AS least, max(value) AS greatest FROM (
        SELECT (t.ctid::text::point)[0]::bigint / {pages} AS place, {column} AS value FROM ONLY {table} AS t OFFSET 0
    ) AS placed GROUP BY place OFFSET 0) AS ranges
CROSS JOIN LATERAL (VALUES (least), (greatest)) AS ends (value)
WHERE value IS NOT NULL AND NOT EXISTS (
    SELECT FROM ONLY {table} AS {alias}
    WHERE {alias}.{column} = ends.value AND ({alias}.ctid::text::point)[0]::bigint / {pages} = place)"""


@dataclass(frozen=True)
class _Index:
    """An index of PostgreSQL; `definition` is what follows USING."""

    name: str
    table: str
    method: str
    oid: int
    definition: str
    predicate: str | None
    pages_per_range: int
    readable: bool
    amcheck: str | None

    @property
    def columns(self) -> str:
        """The columns in their order, as ORDER BY takes them."""
        text = self.definition[self.definition.index("(") :]
        depth = 0
        for position, character in enumerate(text):
            depth += {"(": 1, ")": -1}.get(character, 0)
            if not depth:
                return text[1:position]
        return text[1:]


def index_findings(reader: RowReader, expected: Objects, actual: Objects) -> Iterator[Finding]:
    """Yield a finding for each index that does not find every row of its table, or was not compared.

    Raises `UnreadableError`.
    """
    if reader.engine == "sqlite":
        tables = sorted(
            key.removeprefix("table ") for key in expected.keys() & actual.keys() if key.startswith("table ")
        )
        for table in tables:
            yield from _checked_on_sqlite(reader, table)
        return
    names = sorted(key.removeprefix("index ") for key in expected.keys() & actual.keys() if key.startswith("index "))
    listed = ", ".join(literal(name) for name in names)
    found = [_Index(*row) for row in reader.rows(_INDEXES.format(schema=literal(reader.schema)[1:-1], names=listed))]
    indexes = [each for each in found if each.readable]
    wrong: dict[str, list[str]] = {}
    for name, problem in (*_digests(reader, indexes), *_ranges(reader, indexes), *_amcheck(reader, indexes)):
        wrong.setdefault(name, []).append(problem)
    for name, problems in wrong.items():
        yield finding_of(
            CODE, f"index {name}", WANTED, "\n".join(problems),
            remediation=f"REINDEX INDEX {quoted(reader.schema)}.{quoted(name)};",
        )  # fmt: skip
    if unread := [f"index {each.name}" for each in found if not each.readable]:
        yield finding_of(
            "KMS901", unread[0], WANTED, f"unknown: this role may not read every row of its table: {NEEDS}",
            impact="the index may lack rows: the check could not run", also=tuple(unread[1:]),
        )  # fmt: skip


def _digests(reader: RowReader, indexes: Sequence[_Index]) -> Iterator[tuple[str, str]]:
    """Yield the B-trees that find other rows than a scan of the table with their predicate."""
    trees = [each for each in indexes if each.method == "btree"]
    if not trees:
        return
    seed = secrets.randbits(62)
    query = "\nUNION ALL\n".join(
        _OF_INDEX.format(
            digest=_DIGEST.format(only="", alias=f"i{number}", seed=seed),
            alias=f"i{number}",
            table=_name(reader, each.table),
            where=f" WHERE {each.predicate}" if each.predicate else "",
            columns=each.columns,
        )
        for number, each in enumerate(trees)
    )
    by_index = reader.rows(query, without=IN_ORDER_OF_INDEX)
    [[plan]] = reader.rows(f"EXPLAIN (FORMAT json, COSTS off) {query}", without=IN_ORDER_OF_INDEX)
    read = dict(_whole_indexes(plan if isinstance(plan, list) else json.loads(plan)))
    by_table = _by_table(reader, trees, seed)
    for number, (each, counted) in enumerate(zip(trees, by_index, strict=True)):
        there = by_table[each.table, each.predicate]
        # The planner may take another index with the same first columns, which is compared under its own name.
        if read.get(f"i{number}") == each.name and counted != there:
            yield (
                each.name,
                f"finds {counted[0]} rows, and the table has {there[0]}"
                + ("" if counted[0] != there[0] else " others"),
            )


def _by_table(reader: RowReader, trees: Sequence[_Index], seed: int) -> dict[tuple[str, str | None], tuple[Any, ...]]:
    """Return the digest of the rows of each table that each predicate selects: one scan a table."""
    wanted: dict[str, list[str | None]] = {}
    for each in trees:
        if each.predicate not in wanted.setdefault(each.table, []):
            wanted[each.table].append(each.predicate)
    found: dict[tuple[str, str | None], tuple[Any, ...]] = {}
    for table, predicates in wanted.items():
        digests = ", ".join(
            _DIGEST.format(only=f" FILTER (WHERE {predicate})" if predicate else "", alias="t", seed=seed)
            for predicate in predicates
        )
        [row] = reader.rows(_OF_TABLE.format(digests=digests, table=_name(reader, table)), without=SCAN)
        found.update({(table, each): row[2 * at : 2 * at + 2] for at, each in enumerate(predicates)})
    return found


def _ranges(reader: RowReader, indexes: Sequence[_Index]) -> Iterator[tuple[str, str]]:
    """Yield the BRIN indexes whose ranges do not contain the values of their pages."""
    for each in indexes:
        if each.method != "brin" or "," in each.columns:
            continue
        query = _RANGES.format(
            pages=each.pages_per_range, column=each.columns, table=_name(reader, each.table), alias="i0"
        )
        [[count, first]] = reader.rows(query, without=BY_BITMAP, costly="cpu_index_tuple_cost")
        if count:
            yield each.name, f"misses values of {count} ranges of pages, the first {first}"


def _amcheck(reader: RowReader, indexes: Sequence[_Index]) -> Iterator[tuple[str, str]]:
    for each in indexes:
        if each.amcheck and each.method == "btree":
            function = each.amcheck.partition("(")[0]
            try:
                reader.rows(f"SELECT {function}({each.oid}::regclass, true)::text")
            except UnreadableError as error:
                if error.is_damage:
                    yield each.name, f"amcheck: {error}"


def _whole_indexes(plan: Any) -> Iterator[tuple[str, str]]:
    """Yield the alias of each table that a plan reads through a whole index, and the name of the index."""
    if isinstance(plan, list):
        for each in plan:
            yield from _whole_indexes(each)
    elif isinstance(plan, dict):
        if plan.get("Node Type") == "Index Scan" and "Index Cond" not in plan:
            yield plan["Alias"], plan["Index Name"]
        for name in ("Plan", "Plans"):
            yield from _whole_indexes(plan.get(name))


# Rows that violate a rule have a finding of their own.
_OF_RULES = re.compile(
    r"(CHECK constraint failed|NULL value|NUMERIC value|TEXT value|non-unique entry|non-\w+ value) in "
)


def _checked_on_sqlite(reader: RowReader, table: str) -> Iterator[Finding]:
    lines = [str(line) for (line,) in reader.rows(f"PRAGMA main.integrity_check({literal(table)})")]
    if problems := [line for line in lines if line != "ok" and not _OF_RULES.match(line)]:
        yield finding_of(
            CODE,
            f"table {table}",
            "indexes with every row",
            "\n".join(problems),
            remediation=f"REINDEX {quoted(table)};",
        )


def _name(reader: RowReader, table: str) -> str:
    return f"{quoted(reader.schema)}.{quoted(table)}"
