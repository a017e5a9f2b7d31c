"""The statement forms that could change or remove a stored row of the audit log or of its evidence.

The usual UPDATE and DELETE are with each table. These are the others: the guard triggers must refuse every form.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kms_schema.validator.probe.attempt import Attempt, SqlState, Statement, plain

MERGE_SINCE = 15


@dataclass(frozen=True)
class Target:
    """A row of the probe, and the rules that protect it."""

    table: str
    key: str
    """A column with unique values."""
    column: str
    """A column that is set to its own value, which is an UPDATE as well."""
    row: str
    """The condition that selects only this row."""
    given: tuple[Statement, ...]
    no_update: str
    no_delete: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the table in statements."""
        return f"{{schema}}.{self.table}"

    def attempt(self, rule: str, tries: str, text: str, *made: Statement, **more: Any) -> Attempt:
        """Return the attempt of a statement, after the statements `made`."""
        statement, given = Statement(text, self.values), (*self.given, *made)
        return Attempt(
            rule, self.table, f"{tries} a row of {self.table}", statement, given, sqlstate=SqlState.WRITTEN_ONCE, **more
        )


def every_other_form(target: Target) -> Iterator[Attempt]:
    """Yield an attempt for each form of statement."""
    yield from _on_both(target)
    yield from _on_postgresql(target)
    yield from _on_sqlite(target)


def _on_both(target: Target) -> Iterator[Attempt]:
    change = f"UPDATE {target.name} SET {target.column} = {target.column}"
    yield target.attempt(target.no_update, "UPDATE … RETURNING of", f"{change} WHERE {target.row} RETURNING 1")
    joined = f"{change} FROM (SELECT 1 AS one) AS other WHERE other.one = 1 AND {target.row}"
    yield target.attempt(target.no_update, "UPDATE … FROM of", joined)
    yield target.attempt(
        target.no_delete, "DELETE … RETURNING of", f"DELETE FROM {target.name} WHERE {target.row} RETURNING 1"
    )


def _on_postgresql(target: Target) -> Iterator[Attempt]:
    on: dict[str, Any] = {"engine": "postgresql"}
    name, row = target.name, target.row
    calm = f"SET {target.column} = {target.column}"
    gone = f"WITH gone AS (DELETE FROM {name} WHERE {row} RETURNING 1) SELECT 1 FROM gone"
    yield target.attempt(target.no_delete, "a query that DELETEs", gone, **on)
    changed = f"WITH calm AS (UPDATE {name} {calm} WHERE {row} RETURNING 1) SELECT 1 FROM calm"
    yield target.attempt(target.no_update, "a query that UPDATEs", changed, **on)
    using = f"DELETE FROM {name} USING (SELECT 1 AS one) AS other WHERE other.one = 1 AND {row}"
    yield target.attempt(target.no_delete, "DELETE … USING of", using, **on)
    matched = f"MERGE INTO {name} AS t USING (SELECT 1 AS one) AS s ON s.one = 1 AND {row} WHEN MATCHED THEN"
    for rule, does in ((target.no_update, f"UPDATE {calm}"), (target.no_delete, "DELETE")):
        tries = f"MERGE that does {does.split()[0]} to"
        yield target.attempt(rule, tries, f"{matched} {does}", **on, since=MERGE_SINCE)
    view = plain(f"CREATE TEMPORARY VIEW kms_probe_rows AS SELECT * FROM {name}")
    through = "pg_temp.kms_probe_rows"
    yield target.attempt(
        target.no_update, "UPDATE through a view of", f"UPDATE {through} {calm} WHERE {row}", view, **on
    )
    yield target.attempt(target.no_delete, "DELETE through a view of", f"DELETE FROM {through} WHERE {row}", view, **on)


def _on_sqlite(target: Target) -> Iterator[Attempt]:
    on: dict[str, Any] = {"engine": "sqlite"}
    name, row = target.name, target.row
    for resolution in ("IGNORE", "FAIL"):
        change = f"UPDATE OR {resolution} {name} SET {target.column} = {target.column} WHERE {row}"
        yield target.attempt(target.no_update, f"UPDATE OR {resolution} of", change, **on)
    with_query = f"WITH one (n) AS (SELECT 1) DELETE FROM {name} WHERE {row} AND EXISTS (SELECT 1 FROM one)"
    protection = f"trigger {target.table}.{target.no_delete}"
    yield target.attempt(target.no_delete, "a query that DELETEs", with_query, **on, protection=protection)
    view = plain(f"CREATE TEMPORARY VIEW kms_probe_rows AS SELECT * FROM {name}")
    found = f"WHERE {target.key} = OLD.{target.key}"
    for rule, verb, does, asked in (
        (
            target.no_update, "UPDATE", f"UPDATE {target.table} SET {target.column} = {target.column} {found}",
            f"UPDATE temp.kms_probe_rows SET {target.column} = {target.column} WHERE {row}",
        ),
        (
            target.no_delete, "DELETE", f"DELETE FROM {target.table} {found}",
            f"DELETE FROM temp.kms_probe_rows WHERE {row}",
        ),
    ):  # fmt: skip
        trigger = plain(
            f"CREATE TEMPORARY TRIGGER kms_probe_away INSTEAD OF {verb} ON temp.kms_probe_rows BEGIN {does}; END"
        )
        yield target.attempt(rule, f"{verb} through a temporary view of", asked, view, trigger, **on)
