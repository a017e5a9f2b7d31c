"""Constraints: primary keys, unique keys, foreign keys and checks."""

from tests.validator.mutations.kinds import Kind

DROP = "ALTER TABLE {on_relation} DROP CONSTRAINT {name}"
AGAIN = DROP + "; ALTER TABLE {on_relation} ADD CONSTRAINT {name} "


def _of_type(*types: str) -> dict[str, object]:
    return {"where": lambda row: row["type"] in types and not row["referenced"]}


def _constraint(name: str, change: str, **more: object) -> Kind:
    return Kind(f"constraint: {name}", "constraints", change, **more)  # type: ignore[arg-type]


CONSTRAINTS = (
    _constraint("dropped", DROP + " CASCADE"),
    _constraint("renamed", "ALTER TABLE {on_relation} RENAME CONSTRAINT {name} TO mutated"),
    _constraint("comment", "COMMENT ON CONSTRAINT {name} ON {on_relation} IS 'mutated'", severity="warning"),
    _constraint("check that is always true", AGAIN + "CHECK (true)", **_of_type("c")),
    _constraint("check with an exception", AGAIN + "{loosened}", **_of_type("c")),
    _constraint("not valid", AGAIN + "{definition} NOT VALID", **_of_type("c", "f")),
    _constraint("not inherited", AGAIN + "{definition} NO INHERIT", **_of_type("c")),
    _constraint("deferrable", AGAIN + "{definition} DEFERRABLE", **_of_type("p", "u", "f")),
    _constraint("deferred", AGAIN + "{definition} DEFERRABLE INITIALLY DEFERRED", **_of_type("p", "u", "f")),
    _constraint("a column more", AGAIN + "{widened}", **_of_type("u")),
    _constraint("NULLS NOT DISTINCT", AGAIN + "{nulls_not_distinct}", **_of_type("u"), since=15),
    *(
        _constraint(
            f"foreign key ON {event} {action}",
            AGAIN + f"{{without_actions}} ON {event} {action}",
            where=lambda row, words=f"ON {event} {action}": row["type"] == "f" and words not in row["definition"],
        )
        for event in ("DELETE", "UPDATE")
        for action in ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT")
    ),
    _constraint(
        "foreign key that empties one column",
        AGAIN + "{without_actions} ON DELETE SET NULL ({first_column_of_key})",
        where=lambda row: row["type"] == "f",
        since=15,
    ),
    _constraint(
        "foreign key to another table",
        "CREATE TABLE public.mutated (LIKE {referenced_table} INCLUDING INDEXES); "
        + AGAIN
        + "{to_another_table} NOT VALID; ALTER TABLE {on_relation} VALIDATE CONSTRAINT {name}",
        where=lambda row: row["type"] == "f" and not row["has_rows"],
    ),
    _constraint(
        "foreign key MATCH FULL",
        AGAIN + "{without_actions} MATCH FULL",
        where=lambda row: row["type"] == "f" and "ON " not in row["without_actions"],
    ),
    _constraint("foreign key whose triggers are off", "{disable}", **_of_type("f")),
    _constraint(
        "not enforced",
        "ALTER TABLE {on_relation} ALTER CONSTRAINT {name} NOT ENFORCED",
        **_of_type("f"),
        since=18,
    ),
    _constraint("check not enforced", AGAIN + "{definition} NOT ENFORCED", **_of_type("c"), since=18),
)
ADDED = (
    Kind(
        "constraint: check added",
        "tables",
        "ALTER TABLE {on_relation} ADD CONSTRAINT mutated CHECK (true)",
        names="constraint {relation}.mutated",
    ),
    Kind(
        "constraint: check added, not valid",
        "tables",
        "ALTER TABLE {on_relation} ADD CONSTRAINT mutated CHECK (true) NOT VALID",
        names="constraint {relation}.mutated",
    ),
    Kind(
        "constraint: unique key added",
        "tables",
        "ALTER TABLE {on_relation} ADD CONSTRAINT mutated UNIQUE ({column_names})",
        names="constraint {relation}.mutated",
        where=lambda row: row["column_count"] > 1,
    ),
    Kind(
        "constraint: foreign key to itself added",
        "tables",
        "ALTER TABLE {on_relation} ADD CONSTRAINT mutated FOREIGN KEY ({primary_columns}) REFERENCES {on_relation}",
        names="constraint {relation}.mutated",
    ),
    Kind(
        "constraint: exclusion added",
        "tables",
        "ALTER TABLE {on_relation} ADD CONSTRAINT mutated EXCLUDE ({first_column} WITH =)",
        names="constraint {relation}.mutated",
    ),
)
