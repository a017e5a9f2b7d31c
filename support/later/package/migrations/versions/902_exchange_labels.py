"""Replace the objects of 901 in use, and count the entries that are sealed already while clients continue.

Only tests have this revision. It replaces a view, functions, a materialized view, an index and a table of SQLite's. On
PostgreSQL only sealing waits for the count, and writers of the audit log wait briefly.
"""

from kms_schema.sql.declarations import Declaration
from kms_schema.sql.indexes import Index, create_indexes, drop_indexes, replace_index
from kms_schema.sql.objects import (
    create_objects,
    create_triggers,
    drop_objects,
    replace_objects,
    run_statements,
    write_rows,
)
from kms_schema.sql.operations import engine_name, execute, lock, locks, on_postgresql, qualified
from kms_schema.sql.replacement import prepare_replacement, replace_prepared

revision = "902_exchange_labels"
down_revision = "901_label_versions"
branch_labels = None
depends_on = None

INDEX = "idx_key_audit_logs_user_id"
ALL_USERS = Index(INDEX, "key_audit_logs", ("user_id",))
KNOWN_USERS = Index(INDEX, "key_audit_logs", ("user_id",), where="user_id IS NOT NULL")
NEXT_ALL_USERS = Index(f"{INDEX}_next", "key_audit_logs", ("user_id",))
NEXT_KNOWN_USERS = Index(f"{INDEX}_next", "key_audit_logs", ("user_id",), where="user_id IS NOT NULL")
SUMS = "key_audit_category_totals_v01"
COUNTS: dict[str, tuple[str, ...]] = {
    "postgresql": (SUMS, "count_sealed_key_audit_logs_v01", "count_removed_key_audit_logs_v01"),
    "sqlite": (SUMS,),
}
TRIGGERS = ("count_sealed_key_audit_logs_trigger_v01", "count_removed_key_audit_logs_trigger_v01")
BEFORE: dict[str, tuple[str, ...]] = {
    "postgresql": ("labelled_key_versions_v01", "guard_key_version_label_v01"),
    "sqlite": ("labelled_key_versions_v01", "guard_key_version_label_trigger_v01"),
}
AFTER: dict[str, tuple[str, ...]] = {
    "postgresql": ("labelled_key_versions_v02", "guard_key_version_label_v02"),
    "sqlite": ("labelled_key_versions_v02", "guard_key_version_label_trigger_v02"),
}
COUNTED_BEFORE = ("key_label_counts_v01", "count_key_labels_v01")
COUNTED_AFTER = ("key_label_counts_v02", "count_key_labels_v02")
"""A materialized view, and a function that returns something else than before."""
VIEWS = ("key_label_counts", "labelled_key_versions")
COLOUR = "COLUMN colour VARCHAR(30)"
NOT_BLANK = r"CONSTRAINT ck_key_labels_colour_not_blank CHECK (btrim(colour, E' \t\n\r') <> '')"

READS = {"labelled_key_versions_v01": ("key_versions",), "labelled_key_versions_v02": ("key_versions",)}
COUNTED = ("key_audit_logs", "key_audit_seals")


def upgrade() -> None:
    if on_postgresql():
        create_indexes((NEXT_KNOWN_USERS,))
    create_objects(COUNTS)
    if on_postgresql():
        # Sealers take this lock, so none adds to what is being counted, and no writer of the trail waits for the count.
        lock_sealing()
        run_statements(("note_counted_entries_v01",), reads=COUNTED)
    write_rows(("count_sealed_entries_v01",), into="key_audit_category_totals", reads=COUNTED)
    if on_postgresql():
        prepare(COUNTED_AFTER)
        lock(("key_labels", "key_audit_leaves", "key_audit_logs"), "ACCESS EXCLUSIVE", views=VIEWS)
        # What is sealed without that lock, or removed, between the count and the triggers would be missing in the sums
        # or stay in them. Entries are removed from the front of the trail.
        run_statements(("check_counted_entries_v01",), reads=COUNTED)
        change_labels(f"ADD {COLOUR}, ADD {NOT_BLANK}")
        replace(COUNTED_AFTER)
    else:
        rebuild_table("key_labels_v02")
        drop_indexes((ALL_USERS,))
        create_indexes((KNOWN_USERS,))
    replace_objects(AFTER, reads=READS)
    create_triggers(TRIGGERS)


def prepare(filenames: tuple[str, ...]) -> None:
    """Make the materialized view and its function beside those that exist."""
    view, function = filenames
    prepare_replacement(view, reads=("key_versions",), index="uq_key_label_counts_v01")
    prepare_replacement(function)


def replace(filenames: tuple[str, ...]) -> None:
    """Replace the materialized view, its function, and the index of users."""
    view, function = filenames
    replace_prepared(view, index="uq_key_label_counts_v01")
    replace_prepared(function)
    replace_index(INDEX, "key_audit_logs")


def lock_sealing() -> None:
    taken = locks("SHARE UPDATE EXCLUSIVE", ("key_audit_seals",), "counting")
    execute(f"LOCK TABLE ONLY {qualified('key_audit_seals')} IN SHARE UPDATE EXCLUSIVE MODE", Declaration(taken))


def change_labels(change: str) -> None:
    taken = locks("ACCESS EXCLUSIVE", ("key_labels",), "column colour")
    execute(f"ALTER TABLE {qualified('key_labels')} {change}", Declaration(taken))


def rebuild_table(table: str) -> None:
    """Rebuild SQLite's table with its trigger. No table refers to it, and dropping it fires no trigger.

    DROP COLUMN before 3.35.5 could damage the file (https://www.sqlite.org/releaselog/3_35_5.html), and ADD COLUMN
    would leave a table that differs from its SQL file.
    """
    drop_objects(("guard_key_label_trigger_v01",))
    run_statements(("keep_key_labels_v01",), creates=("key_labels_kept",))
    run_statements(("drop_key_labels_v01",), drops=("key_labels",))
    create_objects((table,))
    write_rows({"postgresql": (), "sqlite": ("restore_key_labels_v01",)}, into="key_labels")
    run_statements(("drop_kept_key_labels_v01",), drops=("key_labels_kept",))
    create_objects(("guard_key_label_trigger_v01",))


def downgrade() -> None:
    if on_postgresql():
        create_indexes((NEXT_ALL_USERS,))
        prepare(COUNTED_BEFORE)
    tables = ("key_audit_category_totals", "key_labels", "key_audit_leaves", "key_audit_logs")
    lock(tables, "ACCESS EXCLUSIVE", views=VIEWS)
    if on_postgresql():
        replace(COUNTED_BEFORE)
        change_labels("DROP COLUMN colour")
    else:
        rebuild_table("key_labels_v01")
        drop_indexes((KNOWN_USERS,))
        create_indexes((ALL_USERS,))
    replace_objects(BEFORE, reads=READS)
    drop_objects((*COUNTS[engine_name()], *TRIGGERS))
