"""Rows that an enabled constraint or trigger would have refused when they were written.

A catalog without drift says nothing about earlier writes. A query looks for rows that violate each expected constraint
and each rule of a trigger that has a query (`RULE_violations_vNN.sql` in `kms_schema/sql`, which upgrades run as well).
Others check the envelopes (`envelopes`) and the evidence of the audit trail (`evidence`). The number of statements
depends on the schema, not on the rows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from kms_schema.database.messages import NOT_PERMITTED
from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import Attributes, Objects, UnreadableError, kind_and_name
from kms_schema.validator.checks.envelopes import CONFIGURATIONS, VERSIONS, envelope_queries
from kms_schema.validator.checks.evidence import changed_seals, evidence_queries
from kms_schema.validator.checks.indexes import index_findings
from kms_schema.validator.checks.row_reader import NEEDS, Progress, RowReader
from kms_schema.validator.checks.sums import READS, TOTALS, sums_asked
from kms_schema.validator.diff.findings import Finding, finding_of

LISTED = 20
"""How many rows of one rule are listed."""

STALE_AFTER_HOURS = 1
"""The maximum age of a materialized view; a scheduler refreshes it more often."""

EVIDENCE, TOMBSTONES = "table key_audit_seals", "table key_audit_tombstones"
"""Expected in revisions with evidence, and in revisions with retention."""

_KEY = re.compile(r"PRIMARY KEY ?\((?P<columns>[^)]*)\)")
_CHECK = re.compile(r"CHECK \((?P<expression>.*)\)", re.DOTALL)
_FOREIGN_KEY = re.compile(r"FOREIGN KEY ?\((?P<columns>[^)]*)\) REFERENCES (?P<table>[^ (]+) ?\((?P<referred>[^)]*)\)")
_UNIQUE = re.compile(r"(?:UNIQUE|PRIMARY KEY) ?\((?P<columns>[^)]*)\)")
# Indexes without a predicate belong to constraints, or to views, whose rows the server writes.
_UNIQUE_INDEX = re.compile(
    r"CREATE UNIQUE INDEX \{name\} ON \S+(?: USING btree)? \((?P<columns>[^)]*)\)(?: WHERE (?P<predicate>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Question:
    """A query of the first rows that violate a rule: (row, problem, number of all such rows)."""

    object: str
    """Key of the object that enforces the rule."""
    query: str
    table: str
    rule: str
    condition: str | None = None
    """The condition of a row that violates the rule, if one row is enough to decide."""
    by_scan: bool = False
    """True if the query must use no index: a damaged index accepts duplicates and hides them."""
    code: str = "KMS501"
    """The code of the finding."""
    reads: tuple[str, ...] = ()
    """Keys of further objects that the query reads, if the object does not name them."""
    remediation: str | None = None
    """SQL that fixes the rows, if there is any."""


def row_findings(
    reader: RowReader, expected: Objects, actual: Objects, progress: Progress | None = None
) -> tuple[Finding, ...]:
    """Return a finding for each rule that rows violate, and for each check that could not run.

    `expected` is filled in. Rules of objects missing from `actual` are not checked: they have a finding already.
    """
    if retyped := [key for key, attributes in sorted(actual.items()) if "casts" in attributes]:
        # A cast is a function of another role, and would run with the privileges of the validating role.
        return (_unknown("KMS901", f"the type of {retyped[0]} has casts of its own", retyped),)
    asked = [each for each in questions(reader, expected) if _is_there(each, expected, actual)]
    asked = _without_answered(reader, asked)
    found: list[Finding] = []
    unanswered: dict[tuple[str, str], list[str]] = {}
    for position, question in enumerate(asked):
        if progress:
            progress(question.object, position, len(asked))
        try:
            rows = reader.rows(question.query, by_scan=question.by_scan)
        except UnreadableError as error:
            unanswered.setdefault(_cause(error), []).append(question.object)
            continue
        if rows:
            found.append(_broken(question, rows))
    if EVIDENCE in expected and EVIDENCE in actual:
        try:
            found += changed_seals(reader, tombstones=TOMBSTONES in expected and TOMBSTONES in actual)
        except UnreadableError as error:
            unanswered.setdefault(_cause(error), []).append(EVIDENCE)
    try:
        found += index_findings(reader, expected, actual)
    except UnreadableError as error:
        unanswered.setdefault(_cause(error), []).extend(key for key in actual if key.startswith("index "))
    return (*found, *_stale(reader, actual), *(_unknown(*cause, keys) for cause, keys in unanswered.items()))


def _without_answered(reader: RowReader, asked: Sequence[Question]) -> list[Question]:
    """Leave out the conditions that no row of their table meets: one scan checks all conditions of a table."""
    conditions: dict[str, list[str]] = {}
    for question in asked:
        if question.condition:
            conditions.setdefault(question.table, []).append(question.condition)
    met = {table for table, of_table in conditions.items() if _may_be_met(reader, table, of_table)}
    return [question for question in asked if not question.condition or question.table in met]


def _may_be_met(reader: RowReader, table: str, conditions: Sequence[str]) -> bool:
    try:
        return bool(reader.rows(f"SELECT 1 FROM {table} AS t WHERE {' OR '.join(conditions)} LIMIT 1"))
    except UnreadableError:
        return True  # then each query reports its own error


def questions(reader: RowReader, expected: Objects) -> Iterator[Question]:
    """Yield the questions about the expected objects."""
    schema = "main" if reader.engine == "sqlite" else quoted(reader.schema)
    keys = {
        str(attributes["table"]): _list(match["columns"])
        for attributes in expected.values()
        if (match := _KEY.match(str(attributes.get("definition", ""))))
    }
    rules = _rules(reader.engine)
    for key, attributes in expected.items():
        if attributes.get("table") in keys and _rule(key) not in rules:
            yield from _of_definition(key, attributes, schema, keys[attributes["table"]])
    for rule, query in rules.items():
        if (holder := _holder(rule, expected)) is not None:
            row = "coalesce(row_name, '?') || ' (' || row_id || ')'"
            table = f"{schema}.{expected[holder]['table']}"
            yield Question(holder, _first(row, "problem", query.replace("{schema}", schema)), table, rule)
    if {f"table {VERSIONS}", f"table {CONFIGURATIONS}"} <= expected.keys():
        for code, wanted, query, reads in envelope_queries(reader.engine, reader.schema):
            text, table = _first("name", "problem", query), f"{schema}.{VERSIONS}"
            yield Question(f"table {VERSIONS}", text, table, wanted, code=code, reads=reads)
    if EVIDENCE in expected:
        for code, about, wanted, query in evidence_queries(
            reader.engine, reader.schema, tombstones=TOMBSTONES in expected
        ):
            text = _first("name", "problem", query, by="place, name")
            yield Question(f"table {about}", text, f"{schema}.{about}", wanted, code=code)
    if f"table {TOTALS}" in expected:
        for sums in sums_asked(reader.engine, reader.schema):
            yield Question(
                f"table {sums.table}", _first("name", "problem", sums.query), f"{schema}.{sums.table}", sums.wanted,
                code=sums.code, reads=READS, remediation=sums.remediation,
            )  # fmt: skip


def _rule(key: str) -> str:
    """Return the name of the rule of an object: its own name, without its table."""
    return kind_and_name(key)[1].rpartition(".")[2]


def _holder(rule: str, expected: Objects) -> str | None:
    """Return the object with the name of a rule, or the trigger that refuses by it (SQLite)."""
    named = [key for key in expected if key.startswith(("constraint ", "trigger ")) and _rule(key) == rule]
    refusing = [
        key
        for key, attributes in expected.items()
        if key.startswith("trigger ") and f"'{rule}: " in str(attributes.get("definition", ""))
    ]
    return next(iter((*named, *refusing)), None)


def _of_definition(key: str, attributes: Attributes, schema: str, primary_key: Sequence[str]) -> Iterator[Question]:
    kind, rule = kind_and_name(key)[0], _rule(key)
    table, definition = f"{schema}.{attributes['table']}", str(attributes.get("definition", ""))
    if kind == "constraint" and (match := _CHECK.fullmatch(definition)):
        condition = f"NOT ({match['expression']})"
        broken = f"SELECT {_row(primary_key)} AS name FROM {table} AS t WHERE {condition}"
        yield Question(key, _first("name", "'violates it'", broken), table, rule, condition)
    elif kind == "constraint" and (match := _FOREIGN_KEY.match(definition)):
        broken = _orphans(table, match, primary_key)
        yield Question(key, _first("name", "'refers to a missing row'", broken), table, rule)
    elif kind == "constraint" and (match := _UNIQUE.fullmatch(definition)):
        yield _twice(key, table, rule, _alike(table, match["columns"], "true"))
    elif kind == "index" and (match := _UNIQUE_INDEX.match(definition)) and match["predicate"]:
        yield _twice(key, table, rule, _alike(table, match["columns"], match["predicate"]))


def _orphans(table: str, foreign_key: re.Match[str], primary_key: Sequence[str]) -> str:
    pairs = list(zip(_list(foreign_key["columns"]), _list(foreign_key["referred"]), strict=True))
    matching = " AND ".join(f"parent.{there} = t.{here}" for here, there in pairs)
    given = " AND ".join(f"t.{here} IS NOT NULL" for here, _ in pairs)
    return (
        f"SELECT {_row(primary_key)} AS name FROM {table} AS t"
        f" LEFT JOIN {foreign_key['table']} AS parent ON {matching} WHERE {given} AND parent.{pairs[0][1]} IS NULL"
    )


def _twice(key: str, table: str, rule: str, broken: str) -> Question:
    return Question(key, _first("name", "alike || ' rows have the same value'", broken), table, rule, by_scan=True)


def _alike(table: str, columns: str, predicate: str) -> str:
    given = " AND ".join(f"t.{column} IS NOT NULL" for column in _list(columns))
    return (
        f"SELECT {_row(_list(columns))} AS name, count(*) AS alike FROM {table} AS t"
        f" WHERE ({predicate}) AND {given} GROUP BY {columns} HAVING count(*) > 1"
    )


def _first(row: str, problem: str, text: str, by: str = "1") -> str:
    """Return a query of the first rows of `text`, with the number of all of them."""
    return f"SELECT {row}, {problem}, count(*) OVER () FROM (\n{text}\n) AS broken ORDER BY {by} LIMIT {LISTED}"


def _row(columns: Sequence[str]) -> str:
    return " || ', ' || ".join(f"CAST(t.{column} AS text)" for column in columns)


def _list(columns: str) -> list[str]:
    return [column.strip() for column in columns.split(",")]


@cache
def _rules(engine: str) -> dict[str, str]:
    """Return the newest query of each rule of a trigger, by the rule's name."""
    folder = files("kms_schema") / "sql"  # not the package kms_schema.sql, which would load SQLAlchemy
    found: dict[str, tuple[int, Traversable]] = {}
    for place in (folder / "both" / "violations", folder / engine / "violations"):
        for path in place.iterdir():
            rule, _, version = path.name.removesuffix(".sql").rpartition("_violations_v")
            if int(version) >= found.get(rule, (0, path))[0]:
                found[rule] = (int(version), path)
    return {rule: path.read_text(encoding="utf-8").rstrip() for rule, (_, path) in sorted(found.items())}


def _is_there(question: Question, expected: Objects, actual: Objects) -> bool:
    """Return whether the objects that a question reads exist; the object that enforces the rule need not."""
    if question.object.startswith("table "):
        return {question.object, *question.reads} <= actual.keys()
    attributes = expected[question.object]
    read = (needed for needed in attributes.get("needs", ()) if needed.startswith(("table ", "column ")))
    return {f"table {attributes['table']}", *read} <= actual.keys()


def _broken(question: Question, rows: Sequence[tuple[Any, ...]]) -> Finding:
    total = rows[0][2]
    lines = [f"{total} {'row' if total == 1 else 'rows'}:", *(f"{row} {problem}" for row, problem, _ in rows)]
    if total > len(rows):
        lines.append(f"and {total - len(rows)} more")
    expected = f"no row that violates {question.rule}" if question.code == "KMS501" else question.rule
    return finding_of(question.code, question.object, expected, "\n".join(lines), remediation=question.remediation)


def _stale(reader: RowReader, actual: Objects) -> Iterator[Finding]:
    """Yield findings about stale materialized views; SQLite's views are never stale."""
    if "table key_view_refreshes" not in actual or reader.engine == "sqlite":
        return
    query = f"""SELECT view_name, refreshed_at::text FROM {quoted(reader.schema)}.key_view_refreshes
        WHERE refreshed_at < now() - make_interval(hours => {STALE_AFTER_HOURS}) ORDER BY 1"""
    try:
        rows = reader.rows(query)
    except UnreadableError as error:
        yield _unknown(*_cause(error), ["table key_view_refreshes"])
        return
    for view, refreshed_at in rows:
        yield finding_of(
            "KMS176",
            f"materialized view {view}",
            f"refreshed within {STALE_AFTER_HOURS} hour",
            f"refreshed at {refreshed_at}",
            remediation=f"SELECT {quoted(reader.schema)}.refresh_key_views();",
        )


def _cause(error: UnreadableError) -> tuple[str, str]:
    """Return the code and the reason."""
    reason = f"{error}: {NEEDS}" if error.sqlstate == NOT_PERMITTED else str(error)
    return "KMS520" if error.is_damage else "KMS901", reason


def _unknown(code: str, reason: str, objects: Sequence[str]) -> Finding:
    return finding_of(
        code,
        objects[0],
        "rows that satisfy the rule",
        f"unknown: {reason}",
        impact="rows that violate this rule may exist: the check could not run" if code == "KMS901" else None,
        also=tuple(objects[1:]),
    )
