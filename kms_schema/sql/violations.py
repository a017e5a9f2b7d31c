"""Rows that violate a rule of a revision's triggers, reported before the revision changes anything.

A trigger checks what is written from then on, never the rows that exist. So each rule that applies to a stored row has
a query beside it, `RULE_violations_vNN.sql` in the folder of its engine. It is in `both` if the text is the same for
both (SQLite's schema is then called `main`). Engines differ in how they spell bytes, and in what PostgreSQL has as a
constraint.

A query returns one row for each row that violates the rule. Its columns are `table_name`, `row_id`, `row_name` (the
name that people know the row by) and `problem` (the end of a sentence about it). It uses nothing that the revision
makes, so its result is the same before and after it. Like all versioned SQL of this package it is frozen once released.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from kms_schema.sql import statement, text_of
from kms_schema.sql.verbatim import Verbatim

LISTED = 20
"""How many rows of one rule are reported: enough to see what they have in common, few enough to read."""

TABLES = ("key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations", "key_audit_logs")
"""The tables that the queries may read; if one is missing, no row can violate a rule."""


_WHAT_TO_DO = 'Fix these rows (the page "rules" of the documentation describes the rules), then run the upgrade again.'


@dataclass(frozen=True)
class Violation:
    """One row that violates a rule."""

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
class ViolatedRule:
    """A rule, how many rows violate it, and the first of them (`LISTED` at most), by name."""

    rule: str
    total: int
    violations: tuple[Violation, ...]


def rule_of(filename: str) -> str:
    """Return the rule of a file: `RULE_violations_v01` is of `RULE`."""
    return filename.rpartition("_violations_v")[0]


def query(dialect: str, filename: str, schema: str = "public") -> str:
    """Return the query of `filename` (without `.sql`); raise `FileNotFoundError` if the engine has none."""
    return text_of(dialect, filename, schema, of_sqlite="main.")


def find_violations(connection: sa.Connection, filenames: Sequence[str], schema: str = "public") -> list[ViolatedRule]:
    """Return the rules that rows of the database violate, in the order of `filenames`, with one query for each rule.

    Where the tables do not exist yet, the list is empty. Raises the errors of the driver.
    """
    dialect = connection.dialect.name
    inspector = sa.inspect(connection)
    present = inspector.get_table_names(schema if dialect == "postgresql" else None)
    if not set(TABLES) <= set(present):
        return []
    return [
        violated
        for filename in filenames
        if (violated := _violated(connection, rule_of(filename), query(dialect, filename, schema))) is not None
    ]


def _violated(connection: sa.Connection, rule: str, violating: str) -> ViolatedRule | None:
    rows = connection.execute(Verbatim(statement("first_violations", violating=violating, listed=LISTED))).all()
    if not rows:
        return None
    violations = (Violation(rule, row.table_name, row.row_id, row.row_name, row.problem) for row in rows)
    return ViolatedRule(rule, rows[0].total, tuple(violations))


def refusal(revision: str, violated: Sequence[ViolatedRule], how: str = "and nothing was changed") -> str:
    """Return why `revision` is not applied: which rules are violated, by which rows, and what to do next."""
    rows = sum(rule.total for rule in violated)
    counted = ", ".join(f"{rule.rule} ({rule.total})" for rule in violated)
    found = "1 row violates a rule" if rows == 1 else f"{rows} rows violate rules"
    lines = [f"{found} of revision {revision}, {how}: {counted}"]
    for rule in violated:
        lines += [f"  {violation}" for violation in rule.violations]
        if rule.total > len(rule.violations):
            lines.append(f"  {rule.rule}: {rule.total - len(rule.violations)} more, {rule.total} in all")
    return "\n".join([*lines, _WHAT_TO_DO])


def script_checks(dialect: str, revision: str, filenames: Sequence[str], schema: str = "public") -> list[str]:
    """Return the statements that stop a script (`alembic --sql`) where rows violate rules, and leave nothing behind."""
    write = _postgresql_checks if dialect == "postgresql" else _sqlite_checks
    return [*write(revision, {rule_of(filename): query(dialect, filename, schema) for filename in filenames})]


def _postgresql_checks(revision: str, violating: dict[str, str]) -> Iterator[str]:
    """Yield one DO block, so that all rules are reported: MESSAGE has their counts, DETAIL the first rows."""
    counts = (
        statement("count_violations", rule=rule, violating=text, listed=LISTED) for rule, text in violating.items()
    )
    yield statement("refuse_violations", revision=revision, counts="\n".join(counts))


def _sqlite_checks(revision: str, violating: dict[str, str]) -> Iterator[str]:
    """Yield statements that print the first rows and then fail, since only triggers raise: a CHECK named by the rule.

    Temporary tables end with the session, so nothing is left when the script stops there either.
    """
    found = "temp.violating_rows"
    yield f"-- run with sqlite3 -bail: it prints the rows that violate rules of {revision} and stops"
    columns = ("rule", "table_name", "row_id", "row_name", "problem")
    yield f"CREATE TEMP TABLE violating_rows ({', '.join(f'{column} TEXT' for column in columns)})"
    for rule, text in violating.items():
        yield statement("insert_violations", found=found, rule=rule, violating=text)
    yield statement("list_violations", found=found, listed=LISTED)
    checks = ", ".join(f"CONSTRAINT {rule} CHECK (rule <> '{rule}')" for rule in violating)
    yield f"CREATE TEMP TABLE violated_rules (rule TEXT, {checks})"
    yield statement("insert_violated_rules", found=found)
    yield "DROP TABLE temp.violated_rules"
    yield f"DROP TABLE {found}"
