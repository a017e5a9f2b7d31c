"""Sequences: where they start, how they count, who owns them and who may use them."""

from tests.validator.mutations.kinds import Kind
from tests.validator.mutations.postgresql.tables import OTHER

ALTER = "ALTER SEQUENCE {on_relation} "


def _sequence(name: str, change: str, **more: object) -> Kind:
    return Kind(f"sequence: {name}", "sequences", change, **more)  # type: ignore[arg-type]


SEQUENCES = (
    _sequence("dropped", "DROP SEQUENCE {on_relation} CASCADE"),
    _sequence("renamed", ALTER + "RENAME TO mutated"),
    _sequence("type", ALTER + "AS integer"),
    _sequence("start", ALTER + "START 7"),
    _sequence("increment", ALTER + "INCREMENT 2"),
    _sequence("minimum", ALTER + "MINVALUE -7"),
    _sequence("maximum", ALTER + "MAXVALUE 7000"),
    _sequence("cache", ALTER + "CACHE 20"),
    _sequence("in a circle", ALTER + "CYCLE"),
    _sequence("owned by no column", ALTER + "OWNED BY NONE", where=lambda row: row["owned"]),
    _sequence("unlogged", ALTER + "SET UNLOGGED", since=15),
    _sequence("owner", f"UPDATE pg_class SET relowner = '{OTHER}'::regrole WHERE oid = {{relation_oid}}"),  # noqa: S608
    _sequence("comment", "COMMENT ON SEQUENCE {on_relation} IS 'mutated'", severity="warning"),
    *(
        _sequence(f"{privilege} granted", f"GRANT {privilege} ON SEQUENCE {{on_relation}} TO {OTHER}")
        for privilege in ("USAGE", "SELECT", "UPDATE")
    ),
    _sequence("taken from the owner", "REVOKE USAGE ON SEQUENCE {on_relation} FROM CURRENT_USER"),
)
