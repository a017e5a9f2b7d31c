"""Columns of tables: each of their attributes, and columns too many or too few."""

from tests.validator.mutations.kinds import TUNING, Kind, Row
from tests.validator.mutations.postgresql.tables import OTHER

ALTER = "ALTER TABLE {on_relation} ALTER COLUMN {name} "


def _column(name: str, change: str, **more: object) -> Kind:
    return Kind(f"column: {name}", "columns", change, **more)  # type: ignore[arg-type]


def _free(row: Row) -> bool:
    """Whether ALTER TABLE may change the type: a view or a trigger that names the column forbids it."""
    return not (row["fixed_by_a_view_or_trigger"] or row["in_foreign_key"])


def _plain(row: Row) -> bool:
    return not (row["needed"] or row["default"] or row["has_rows"])


def _may_be_null(row: Row) -> bool:
    return bool(row["not_null"] and not row["in_primary_key"])


def _counts(row: Row) -> bool:
    return bool(row["type"] in {"smallint", "integer", "bigint"} and row["not_null"] and not row["in_foreign_key"])


COLUMNS = (
    _column("dropped", "ALTER TABLE {on_relation} DROP COLUMN {name} CASCADE", manual=True),
    _column("renamed", "ALTER TABLE {on_relation} RENAME COLUMN {name} TO mutated"),
    _column(
        "added",
        "ALTER TABLE {on_relation} ADD COLUMN mutated {type}",
        where=lambda row: row["last"],
        names="column {relation}.mutated",
    ),
    _column(
        "identity added",
        "ALTER TABLE {on_relation} ADD COLUMN mutated bigint GENERATED ALWAYS AS IDENTITY",
        where=lambda row: row["last"],
        names="column {relation}.mutated",
    ),
    _column(
        "generated, added",
        "ALTER TABLE {on_relation} ADD COLUMN mutated bigint GENERATED ALWAYS AS (1) STORED",
        where=lambda row: row["last"],
        names="column {relation}.mutated",
    ),
    _column("another type", ALTER + "TYPE bytea USING NULL", where=_plain),
    _column(
        "longer",
        "UPDATE pg_attribute SET atttypmod = atttypmod + 1 WHERE attrelid = {relation_oid} AND attnum = {number}",
        where=lambda row: row["modifier"] > 0,
    ),
    _column(
        "a domain in place of its type",
        "CREATE DOMAIN mutated AS {type}; UPDATE pg_attribute SET atttypid = 'mutated'::regtype"
        " WHERE attrelid = {relation_oid} AND attnum = {number}",
    ),
    _column("identity", ALTER + "DROP DEFAULT, ALTER COLUMN {name} ADD GENERATED ALWAYS AS IDENTITY", where=_counts),
    _column("default dropped", ALTER + "DROP DEFAULT", where=lambda row: row["default"]),
    _column("default changed", ALTER + "SET DEFAULT NULL::{type}", where=lambda row: row["default"]),
    _column("default added", ALTER + "SET DEFAULT (NULL::text || '')::{type}", where=lambda row: not row["default"]),
    _column("NOT NULL dropped", ALTER + "DROP NOT NULL", where=_may_be_null),
    _column("NOT NULL added", ALTER + "SET NOT NULL", where=lambda row: not (row["not_null"] or row["holds_null"])),
    _column("collation", ALTER + 'TYPE {type} COLLATE "C"', where=lambda row: row["collatable"] and _free(row)),
    _column("storage", ALTER + "SET STORAGE {other_storage}", where=lambda row: row["toastable"], severity=TUNING),
    _column(
        "compression", ALTER + "SET COMPRESSION pglz", where=lambda row: row["toastable"], since=14, severity=TUNING
    ),
    _column("statistics target", ALTER + "SET STATISTICS 10", severity=TUNING),
    _column("options for the planner", ALTER + "SET (n_distinct = 5)", severity=TUNING),
    _column("comment", "COMMENT ON COLUMN {on_relation}.{name} IS 'mutated'", severity="warning"),
    _column(
        "moved to the end",
        "ALTER TABLE {on_relation} DROP COLUMN {name}; ALTER TABLE {on_relation} ADD COLUMN {name} {definition}",
        where=lambda row: not (row["needed"] or row["last"] or row["in_primary_key"] or row["has_rows"]),
        names="table {relation}",
        manual=True,
    ),
    *(
        _column(
            f"{privilege} granted",
            f"GRANT {privilege} ({{name}}) ON {{on_relation}} TO {OTHER}",
            names="table {relation}",
        )
        for privilege in ("SELECT", "INSERT", "UPDATE", "REFERENCES")
    ),
    _column(
        "NOT NULL under another name",
        "ALTER TABLE {on_relation} RENAME CONSTRAINT {relation}_{name}_not_null TO mutated",
        where=lambda row: row["not_null_name"] == f"{row['relation']}_{row['name']}_not_null",
        since=18,
    ),
    _column(
        "NOT NULL not validated",
        ALTER + "DROP NOT NULL; ALTER TABLE {on_relation} ADD CONSTRAINT {not_null_name} NOT NULL {name} NOT VALID",
        where=lambda row: row["not_null_name"] and not row["in_primary_key"],
        since=18,
    ),
)
