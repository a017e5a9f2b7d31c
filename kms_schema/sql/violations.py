"""Rows that break what a later revision's triggers demand: found before it changes anything, and told.

A trigger looks at what is written from then on, never at what is there. So each rule that demands something of a
stored row has a query beside it, `RULE_violations_vNN.sql` in the folder of its engine, or in `both` where the
text is the same for both (SQLite's schema is then called `main`): most are, because they say no more than joins and
comparisons. What differs is how an engine spells bytes, and what PostgreSQL has as a constraint.

A query has the columns `table_name`, `row_id`, `row_name` (what a person calls the row) and `problem` (the end of a
sentence about it), one row for each row that breaks the rule, and uses nothing that the revision makes: it is
as right before the revision as after it. Like all SQL of this package it is frozen once released.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from kms_schema.sql import paths, verbatim

LISTED = 20
"""How many rows of one rule are told: enough to see what they have in common, few enough to read."""

TABLES = (
    "key_masters",
    "key_versions",
    "rotation_policies",
    "key_rotations",
    "hsm_configurations",
    "key_audit_logs",
)
"""What the queries may read; where one is missing, there is nothing to break a rule."""


_ADVICE = "Mend these rows as the rules ask (docs/rules.md), then run the upgrade again."


@dataclass(frozen=True)
class Violation:
    """One row that breaks a rule."""

    rule: str
    table: str
    row_id: str
    row_name: str
    problem: str

    def __str__(self) -> str:
        """Return one line, whatever is in the names."""
        line = f"{self.rule}: {self.table} {self.row_id} ({self.row_name}) {self.problem}"
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


@dataclass(frozen=True)
class BrokenRule:
    """A rule, how many rows break it, and the first of them (`LISTED` at most), by name."""

    rule: str
    total: int
    violations: tuple[Violation, ...]


def rule_of(filename: str) -> str:
    """Return the rule that a file is about: `RULE_violations_v01` is about `RULE`."""
    return filename.rpartition("_violations_v")[0]


def query(dialect: str, filename: str, schema: str = "public", tables: str | None = None) -> str:
    """Return the query of `filename` (without `.sql`); raise `FileNotFoundError` if the engine has none.

    With `tables` it reads what has these names behind that: expressions of the statement that it becomes a part of.
    """
    in_schema = f"{schema if dialect == 'postgresql' else 'main'}."
    return _text(dialect, filename).replace("{schema}.", in_schema if tables is None else tables)


@cache
def _text(dialect: str, filename: str) -> str:
    path = (paths("both") | paths(dialect)).get(filename)
    if path is None:
        raise FileNotFoundError(f"{dialect} has no SQL file {filename}.sql")
    return path.read_text(encoding="utf-8").rstrip()


def find_violations(connection: sa.Connection, filenames: Sequence[str], schema: str = "public") -> list[BrokenRule]:
    """Return the rules that rows of the database break, in the order of `filenames`; it asks once for each rule.

    Where the tables are not there yet, no row breaks anything.
    """
    dialect = connection.dialect.name
    inspector = sa.inspect(connection)
    present = inspector.get_table_names(schema if dialect == "postgresql" else None)
    if not set(TABLES) <= set(present):
        return []
    return [
        broken
        for filename in filenames
        if (broken := _broken(connection, rule_of(filename), query(dialect, filename, schema))) is not None
    ]


def _broken(connection: sa.Connection, rule: str, violating: str) -> BrokenRule | None:
    rows = connection.execute(
        verbatim(
            "SELECT table_name, row_id, row_name, problem, count(*) OVER () AS total\n"
            f"FROM (\n{violating}\n) AS violating ORDER BY row_name, row_id LIMIT {LISTED}"
        )
    ).all()
    if not rows:
        return None
    violations = (Violation(rule, row.table_name, row.row_id, row.row_name, row.problem) for row in rows)
    return BrokenRule(rule, rows[0].total, tuple(violations))


def refusal(revision: str, broken: Sequence[BrokenRule], how: str = "and nothing was changed") -> str:
    """Return why `revision` is not applied: which rules are broken, by which rows, and what to do next."""
    rows = sum(rule.total for rule in broken)
    counted = ", ".join(f"{rule.rule} ({rule.total})" for rule in broken)
    lines = [
        f"{rows} {'row breaks a rule' if rows == 1 else 'rows break rules'} of revision {revision}, {how}: {counted}"
    ]
    for rule in broken:
        lines += [f"  {violation}" for violation in rule.violations]
        if rule.total > len(rule.violations):
            lines.append(f"  {rule.rule}: {rule.total - len(rule.violations)} more, {rule.total} in all")
    return "\n".join([*lines, _ADVICE])


def offline_guards(
    dialect: str, revision: str, filenames: Sequence[str], schema: str = "public"
) -> list[sa.TextClause]:
    """Return the statements that stop a script (`alembic --sql`) where rows break rules, and leave nothing behind."""
    write = _postgresql_guard if dialect == "postgresql" else _sqlite_guards
    violating = {rule_of(filename): query(dialect, filename, schema) for filename in filenames}
    return [verbatim(statement) for statement in write(revision, violating)]


def _postgresql_guard(revision: str, violating: dict[str, str]) -> Iterator[str]:
    """Yield one DO block, so that all rules are told at once: MESSAGE has their counts, DETAIL the first rows."""
    counts = (_COUNT.format(rule=rule, violating=text, listed=LISTED) for rule, text in violating.items())
    yield _GUARD.format(revision=revision, counts="\n".join(counts))


_COUNT = """    SELECT count(*), string_agg(
        '{rule}: ' || table_name || ' ' || row_id || ' (' || row_name || ') ' || problem, E'\\n' ORDER BY place
    ) FILTER (WHERE place <= {listed})
    INTO rule_rows, rule_first
    FROM (SELECT *, row_number() OVER (ORDER BY row_name, row_id) AS place FROM (
{violating}
    ) AS violating) AS numbered;
    IF rule_rows > 0 THEN
        all_rows := all_rows + rule_rows;
        all_rules := concat_ws(', ', all_rules, '{rule} (' || rule_rows || ')');
        all_first := concat_ws(E'\\n', all_first, rule_first);
    END IF;"""

_GUARD = """DO $upgrade$
DECLARE
    rule_rows bigint;
    rule_first text;
    all_rows bigint := 0;
    all_rules text;
    all_first text;
BEGIN
{counts}
    IF all_rows > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'integrity_constraint_violation',
            MESSAGE = all_rows || ' rows break rules of revision {revision}, and nothing was changed: ' || all_rules,
            DETAIL = all_first,
            HINT = 'Mend these rows as the rules ask (docs/rules.md), then run the script again.';
    END IF;
END
$upgrade$"""


def _sqlite_guards(revision: str, violating: dict[str, str]) -> Iterator[str]:
    """Yield statements that print the first rows and then fail, since only triggers raise: a CHECK named by the rule.

    Temporary tables end with the session, so nothing is left when the script stops there either.
    """
    found = "temp.rows_that_break_rules"
    yield f"-- run with sqlite3 -bail: where rows break rules of {revision} it prints them and stops"
    columns = ("rule", "table_name", "row_id", "row_name", "problem")
    yield f"CREATE TEMP TABLE rows_that_break_rules ({', '.join(f'{column} TEXT' for column in columns)})"
    for rule, text in violating.items():
        yield (
            f"INSERT INTO {found} SELECT '{rule}', table_name, row_id, row_name, problem FROM (\n"  # noqa: S608
            f"{text}\n)"
        )
    yield (
        "SELECT rule, table_name, row_id, row_name, problem FROM (\n"  # noqa: S608
        "    SELECT *, row_number() OVER (PARTITION BY rule ORDER BY row_name, row_id) AS place\n"
        f"    FROM {found}\n) WHERE place <= {LISTED} ORDER BY rule, place"
    )
    checks = ", ".join(f"CONSTRAINT {rule} CHECK (rule <> '{rule}')" for rule in violating)
    yield f"CREATE TEMP TABLE rules_that_rows_break (rule TEXT, {checks})"
    yield f"INSERT INTO temp.rules_that_rows_break SELECT DISTINCT rule FROM {found}"  # noqa: S608
    yield "DROP TABLE temp.rules_that_rows_break"
    yield f"DROP TABLE {found}"
