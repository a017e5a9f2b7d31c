"""Views and materialized views, and what ALTER knows of their columns."""

from tests.validator.mutations.kinds import TUNING, Kind, Row
from tests.validator.mutations.postgresql.tables import OTHER, PRIVILEGES

ALTER = "ALTER {kind} {on_relation} "


def _view(name: str, change: object, **more: object) -> Kind:
    return Kind(f"view: {name}", "views", change, **more)  # type: ignore[arg-type]


def _plain(row: Row) -> bool:
    return bool(row["kind"] == "VIEW")


def _kept(row: Row) -> bool:
    return not _plain(row)


def _another_definition(row: Row) -> str:
    """Return what makes the view anew with its first row only; views that read it, its indexes and rights stay."""
    if _plain(row):
        return f"CREATE OR REPLACE VIEW {row['on_relation']} AS {row['definition']} LIMIT 1"
    made = f"CREATE MATERIALIZED VIEW {row['on_relation']} AS {row['definition']} LIMIT 1"
    return f"DROP MATERIALIZED VIEW {row['on_relation']}; {made}; {row['indexes']}"


VIEWS = (
    _view("dropped", "DROP {kind} {on_relation} CASCADE"),
    _view("renamed", ALTER + "RENAME TO mutated"),
    _view("moved to another schema", "CREATE SCHEMA mutated; " + ALTER + "SET SCHEMA mutated"),
    _view("another definition", _another_definition),
    _view(
        "a column more",
        "CREATE OR REPLACE VIEW {on_relation} AS SELECT mutated.*, 1 AS one_more FROM ({definition}) AS mutated",
        where=_plain,
    ),
    _view("a column renamed", ALTER + "RENAME COLUMN {first_column} TO mutated"),
    _view(
        "a default for a column",
        ALTER + "ALTER COLUMN {first_column} SET DEFAULT NULL::text::{first_type}",
        where=_plain,
    ),
    _view("a barrier", ALTER + "SET (security_barrier = on)", where=_plain),
    _view("with the caller's rights", ALTER + "SET (security_invoker = on)", where=_plain, since=15),
    _view("storage options", ALTER + "SET (fillfactor = 50)", where=_kept, severity=TUNING),
    _view("emptied", "REFRESH MATERIALIZED VIEW {on_relation} WITH NO DATA", where=_kept),
    _view(
        "its rule switched off",
        "UPDATE pg_rewrite SET ev_enabled = 'D' WHERE ev_class = {relation_oid} AND rulename = '_RETURN'",
        where=_plain,
    ),
    _view(
        "statistics target of a column",
        ALTER + "ALTER COLUMN {first_column} SET STATISTICS 10",
        where=_kept,
        severity=TUNING,
    ),
    _view(
        "options of a column", ALTER + "ALTER COLUMN {first_column} SET (n_distinct = 5)", where=_kept, severity=TUNING
    ),
    _view(
        "storage of a column", ALTER + "ALTER COLUMN {toastable_column} SET STORAGE MAIN", where=_kept, severity=TUNING
    ),
    _view(
        "clustered", "ALTER TABLE {on_relation} CLUSTER ON {index}", where=_kept, names="index {index}", severity=TUNING
    ),
    _view(
        "another access method",
        "CREATE ACCESS METHOD mutated TYPE TABLE HANDLER heap_tableam_handler; " + ALTER + "SET ACCESS METHOD mutated",
        where=_kept,
        since=15,
    ),
    _view("comment", "COMMENT ON {kind} {on_relation} IS 'mutated'", severity="warning"),
    _view("comment on a column", "COMMENT ON COLUMN {on_relation}.{first_column} IS 'mutated'", severity="warning"),
    _view("owner", ALTER + f"OWNER TO {OTHER}"),
    *(_view(f"{privilege} granted", f"GRANT {privilege} ON {{on_relation}} TO {OTHER}") for privilege in PRIVILEGES),
    _view("SELECT for everyone", "GRANT SELECT ON {on_relation} TO PUBLIC"),
    _view("SELECT taken from the owner", "REVOKE SELECT ON {on_relation} FROM CURRENT_USER"),
    _view("SELECT on a column granted", f"GRANT SELECT ({{first_column}}) ON {{on_relation}} TO {OTHER}"),
)
