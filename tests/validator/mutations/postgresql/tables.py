"""Tables: whether they are there, how they are kept, who may do what to them, and what hangs on them."""

from tests.validator.mutations.kinds import TUNING, Kind, Row

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
OTHER = "pg_monitor"
"""A role that every server has, to give things to."""

TABLESPACE = "SET allow_in_place_tablespaces = on;; CREATE TABLESPACE mutated LOCATION '';;"


def _not_version_table(row: Row) -> bool:
    return bool(row["relation"] != "alembic_version")


def _table(name: str, change: str, **more: object) -> Kind:
    return Kind(f"table: {name}", "tables", change, **more)  # type: ignore[arg-type]


TABLES = (
    _table("dropped", "DROP TABLE {on_relation} CASCADE", where=_not_version_table, manual=True),
    _table("renamed", "ALTER TABLE {on_relation} RENAME TO mutated", where=_not_version_table, manual=True),
    _table(
        "moved to another schema",
        "CREATE SCHEMA mutated; ALTER TABLE {on_relation} SET SCHEMA mutated",
        where=_not_version_table,
        manual=True,
    ),
    _table("unlogged", "ALTER TABLE {on_relation} SET UNLOGGED", where=lambda row: not row["in_foreign_key"]),
    _table("storage options", "ALTER TABLE {on_relation} SET (fillfactor = 50)", severity=TUNING),
    _table("vacuum switched off", "ALTER TABLE {on_relation} SET (autovacuum_enabled = off)", severity=TUNING),
    _table(
        "options of its TOAST table",
        "ALTER TABLE {on_relation} SET (toast.autovacuum_enabled = off)",
        where=lambda row: row["toasted"],
        severity=TUNING,
    ),
    _table("replica identity full", "ALTER TABLE {on_relation} REPLICA IDENTITY FULL"),
    _table("replica identity nothing", "ALTER TABLE {on_relation} REPLICA IDENTITY NOTHING"),
    _table("replica identity by index", "ALTER TABLE {on_relation} REPLICA IDENTITY USING INDEX {primary_index}"),
    _table("clustered", "CLUSTER {on_relation} USING {primary_index}", names="index {primary_index}", severity=TUNING),
    _table("typed", "CREATE TYPE mutated AS ({column_list}); ALTER TABLE {on_relation} OF mutated"),
    _table(
        "another access method",
        "CREATE ACCESS METHOD mutated TYPE TABLE HANDLER heap_tableam_handler;"
        " ALTER TABLE {on_relation} SET ACCESS METHOD mutated",
        since=15,
    ),
    _table("member of an extension", "ALTER EXTENSION plpgsql ADD TABLE {on_relation}"),
    _table(
        "another tablespace",
        f"{TABLESPACE} ALTER TABLE {{on_relation}} SET TABLESPACE mutated",
        severity="warning",
        undo="DROP TABLESPACE mutated",
    ),
    _table("comment", "COMMENT ON TABLE {on_relation} IS 'mutated'", severity="warning"),
)
GUARDS = (
    _table("row-level security", "ALTER TABLE {on_relation} ENABLE ROW LEVEL SECURITY"),
    _table("row-level security forced", "ALTER TABLE {on_relation} FORCE ROW LEVEL SECURITY"),
    _table("policy", "CREATE POLICY mutated ON {on_relation} USING (false)", names="policy {relation}.mutated"),
    _table(
        "rule that swallows writes",
        "CREATE RULE mutated AS ON INSERT TO {on_relation} DO INSTEAD NOTHING",
        names="rule {relation}.mutated",
    ),
    _table(
        "rule, switched off",
        "CREATE RULE mutated AS ON INSERT TO {on_relation} DO ALSO NOTHING;"
        " ALTER TABLE {on_relation} DISABLE RULE mutated",
        names="rule {relation}.mutated",
    ),
    _table("child table", "CREATE TABLE mutated () INHERITS ({on_relation})", names="child table public.mutated"),
    _table(
        "child table elsewhere",
        "CREATE SCHEMA mutated; CREATE TABLE mutated.child () INHERITS ({on_relation})",
        names="child table mutated.child",
    ),
    _table("parent table", "CREATE TABLE mutated (); ALTER TABLE {on_relation} INHERIT mutated"),
    _table(
        "partition of another table",
        "CREATE TABLE mutated (LIKE {on_relation}) PARTITION BY HASH ({first_column});"
        " ALTER TABLE mutated ATTACH PARTITION {on_relation} FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    ),
    _table(
        "reference from elsewhere",
        "CREATE TABLE mutated (LIKE {on_relation});"
        " ALTER TABLE mutated ADD CONSTRAINT mutated FOREIGN KEY ({primary_columns}) REFERENCES {on_relation}",
        names="incoming reference public.mutated.mutated",
        severity="info",
        manual=True,
    ),
    _table(
        "statistics object",
        "CREATE STATISTICS mutated ON {two_columns} FROM {on_relation}",
        names="statistics mutated",
        where=lambda row: row["two_columns"],
        severity=TUNING,
    ),
)
RIGHTS = (
    _table("owner", f"ALTER TABLE {{on_relation}} OWNER TO {OTHER}"),
    *(
        _table(f"{privilege} granted", f"GRANT {privilege} ON {{on_relation}} TO {OTHER}")
        for privilege in (*PRIVILEGES, "ALL")
    ),
    *(
        _table(f"{privilege} for everyone", f"GRANT {privilege} ON {{on_relation}} TO PUBLIC")
        for privilege in PRIVILEGES
    ),
    *(
        _table(f"{privilege} taken from the owner", f"REVOKE {privilege} ON {{on_relation}} FROM CURRENT_USER")
        for privilege in PRIVILEGES
    ),
    _table("MAINTAIN granted", f"GRANT MAINTAIN ON {{on_relation}} TO {OTHER}", since=17),
    _table("right to grant on", f"GRANT SELECT ON {{on_relation}} TO {OTHER} WITH GRANT OPTION"),
)
