"""The attempts at the audit log on SQLite only: REPLACE, forged values, temporary triggers and tables, rowids."""

from collections.abc import Iterator

from kms_schema.validator.probe.attempt import Attempt, Promise, Row, Statement, adding, plain
from kms_schema.validator.probe.audit_log import INSERT_TRIGGER, NO_DELETE, NO_UPDATE, OURS, SAID, TABLE
from kms_schema.validator.probe.rows import active_key, entry

REPLACING = ("INSERT", "REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL")
UPSERTS = ("DO NOTHING", "(id) DO UPDATE SET event_description = 'again'", "(sequence) DO UPDATE SET user_id = 'x'")
NOW = "strftime('%Y-%m-%dT%H:%M:%f', 'now')"
OWN_ID = "lower(printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)))"
TABLES = (
    "key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations", TABLE,
    "key_audit_seals", "key_audit_leaves", "key_audit_subtrees",
)  # fmt: skip

FORGED = {
    "taken id": ("id", "id", f"pk_{TABLE}"),
    "taken sequence": ("sequence", "sequence", INSERT_TRIGGER),
    "negative sequence": ("sequence", "-1", INSERT_TRIGGER),
    "skipped sequence": ("sequence", "(SELECT max(sequence) + 2 FROM main.key_audit_logs)", INSERT_TRIGGER),
    "sequence NULL": ("sequence", "NULL", INSERT_TRIGGER),
    "sequence of text": ("sequence", "'4th'", INSERT_TRIGGER),
    "past time": ("timestamp", "'2020-01-01T00:00:00.000000Z'", INSERT_TRIGGER),
    "future time": ("timestamp", "'2999-01-01T00:00:00.000000Z'", INSERT_TRIGGER),
    "time NULL": ("timestamp", "NULL", INSERT_TRIGGER),
    "time with microseconds of its own": ("timestamp", f"{NOW} || '123Z'", INSERT_TRIGGER),
    "recorded_by": ("recorded_by", "'alice'", INSERT_TRIGGER),
    "recorded_by NULL": ("recorded_by", "NULL", INSERT_TRIGGER),
    "id of another time": ("id", "'019000000000' || '7' || '0008000000000000000'", INSERT_TRIGGER),
    "id of another version": ("id", f"{OWN_ID} || '4' || '0008000000000000000'", INSERT_TRIGGER),
    "id NULL": ("id", "NULL", INSERT_TRIGGER),
}


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    about = active_key()
    given = (adding("key_masters", about), adding(TABLE, entry(key_id=about["id"])))
    for tries, (column, value, rule) in FORGED.items():
        for verb in REPLACING:
            text = (
                f"{verb} INTO main.{TABLE} (\"{column}\", {SAID}) SELECT {value}, event_type, event_category, 'again'"
                f" FROM main.{TABLE} {OURS}"
            )
            statement = plain(text, about=about["id"])
            yield Attempt(rule, TABLE, f"{verb} of an entry with a {tries}", statement, given, engine="sqlite")
        if tries.startswith("taken "):
            yield from _upserts(rule, column, value, tries, about=about, given=given)
    for rule, resolution, change in (
        (NO_UPDATE, "REPLACE", "sequence = 0"),
        (NO_UPDATE, "IGNORE", "sequence = sequence + 1"),
        (NO_UPDATE, "REPLACE", "sequence = 1"),
        (NO_UPDATE, "REPLACE", "event_description = 'calm'"),
        (NO_UPDATE, "REPLACE", f"id = (SELECT min(id) FROM main.{TABLE})"),
    ):
        statement = plain(f"UPDATE OR {resolution} main.{TABLE} SET {change} {OURS}", about=about["id"])
        tries = f"UPDATE OR {resolution} of an entry: {change}"
        yield Attempt(rule, TABLE, tries, statement, given, engine="sqlite")
    yield from _temporary(about, given)
    yield from _without_rowid()
    numbered = (
        f"SELECT max(sequence) = (SELECT max(sequence) FROM main.{TABLE}) AND max(sequence) > 1 AND min(sequence) > 0"
        f" FROM main.{TABLE} {OURS}"
    )
    yield Promise(
        {"sqlite": (f"trigger {TABLE}.{INSERT_TRIGGER}_sequence",)},
        "an entry gets the number after the last",
        given[1],
        plain(numbered, about=about["id"]),
        given[:1],
    )


def _upserts(
    rule: str, column: str, value: str, tries: str, *, about: Row, given: tuple[Statement, ...]
) -> Iterator[Attempt]:
    for then in UPSERTS:
        text = (
            f"INSERT INTO main.{TABLE} (\"{column}\", {SAID}) SELECT {value}, event_type, event_category, 'again'"
            f" FROM main.{TABLE} {OURS} ON CONFLICT {then}"
        )
        made = f"an upsert of an entry with a {tries}: ON CONFLICT {then}"
        yield Attempt(rule, TABLE, made, plain(text, about=about["id"]), given, engine="sqlite")


def _temporary(about: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    for effect, rule in (
        (f"UPDATE {TABLE} SET risk_score = 0 WHERE id = NEW.id", NO_UPDATE),
        (f"DELETE FROM {TABLE} WHERE id = NEW.id", NO_DELETE),
    ):
        # Values cannot stand in a trigger, and it is dropped with the savepoint.
        made = Statement(f"CREATE TEMPORARY TRIGGER kms_probe_calm AFTER INSERT ON main.{TABLE} BEGIN {effect}; END")
        tries = f"a temporary trigger on the trail does {effect.split()[0]}"
        statement = adding(TABLE, entry(key_id=about["id"]))
        yield Attempt(
            rule, TABLE, tries, statement, (*given, made), engine="sqlite", protection=f"trigger {TABLE}.{rule}"
        )
    shadow = (
        Statement("CREATE TEMPORARY TABLE key_masters (id TEXT PRIMARY KEY)"),
        Statement("INSERT INTO temp.key_masters VALUES ('0190a5b0c0de7abc8def0123456789ab')"),
    )
    statement = adding(TABLE, entry(key_id="0190a5b0c0de7abc8def0123456789ab"))
    tries = "an entry is about a key of a temporary table"
    rule = f"fk_{TABLE}_key_id_key_masters"
    yield Attempt(rule, TABLE, tries, statement, shadow, adding(TABLE, entry()), engine="sqlite")


def _without_rowid() -> Iterator[Attempt]:
    """A row with a rowid could be replaced through it without firing a trigger."""
    for table in TABLES:
        text = f"UPDATE main.{table} SET rowid = rowid WHERE false"
        says = "no such column: rowid"
        yield Attempt(f"table {table}", table, "a row is reached by its rowid", plain(text), engine="sqlite", says=says)
