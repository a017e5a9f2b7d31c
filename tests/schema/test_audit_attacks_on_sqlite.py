"""The trail on SQLite, whatever a client has set: no REPLACE, no forged value, no shadow changes an entry."""

import sqlite3
from contextlib import closing

import pytest

from support.engines import Database
from support.rows.smallest import Row, active_key_master, audit_entry, insert, key_master
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import EACH_SETTING, Forbidden, apply_settings, refuses, refuses_insert, stored

pytestmark = pytest.mark.only_on("sqlite")

TABLE = "key_audit_logs"
GUARD = "guard_key_audit_log_insert"
NO_UPDATE, NO_DELETE = "prevent_key_audit_log_update", "prevent_key_audit_log_delete"

REPLACING = ("REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL", "INSERT OR ABORT")
SAME = "event_type, event_category, 'rewritten' FROM key_audit_logs WHERE event_type = 'ATTACK'"
SAID = "event_type, event_category, event_description"
NOW = "strftime('%Y-%m-%dT%H:%M:%f', 'now')"
OWN_ID = "lower(printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)))"

FORGERIES_ON_SQLITE = {
    "taken id": ("id", "id", "pk_key_audit_logs"),
    "taken sequence": ("sequence", "sequence", GUARD),
    "sequence 1": ("sequence", "1", GUARD),
    "negative sequence": ("sequence", "-1", GUARD),
    "skipped sequence": ("sequence", "(SELECT max(sequence) + 2 FROM key_audit_logs)", GUARD),
    "sequence NULL": ("sequence", "NULL", GUARD),
    "sequence of text": ("sequence", "'4th'", GUARD),
    "backdated": ("timestamp", "'2020-01-01T00:00:00.000000Z'", GUARD),
    "postdated": ("timestamp", "'2999-01-01T00:00:00.000000Z'", GUARD),
    "a second ago": ("timestamp", f"{NOW[:-1]}, '-1 second') || '000Z'", GUARD),
    "timestamp NULL": ("timestamp", "NULL", GUARD),
    "microseconds of its own": ("timestamp", f"{NOW} || '123Z'", GUARD),
    "recorded_by": ("recorded_by", "'alice'", GUARD),
    "recorded_by NULL": ("recorded_by", "NULL", GUARD),
    "id of another time": ("id", "'019000000000' || '7' || '0008000000000000000'", GUARD),
    "id of another version": ("id", f"{OWN_ID} || '4' || '0008000000000000000'", GUARD),
    "id with other characters": ("id", f"{OWN_ID} || '7' || 'the-first-entry-eve'", GUARD),
    "id too short": ("id", f"{OWN_ID} || '7'", GUARD),
    "id NULL": ("id", "NULL", GUARD),
}


@EACH_SETTING
@pytest.mark.parametrize("attack", FORGERIES_ON_SQLITE)
def test_no_insert_on_sqlite_replaces_or_forges_an_entry(shared: SharedDatabase, attack: str, settings: Row) -> None:
    apply_settings(shared.connection, settings)
    insert(shared.connection, TABLE, **audit_entry(event_type="ATTACK"))
    column, value, rule = FORGERIES_ON_SQLITE[attack]
    for form in REPLACING:
        forged = f'{form} INTO key_audit_logs ("{column}", {SAID}) SELECT {value}, {SAME}'
        refuses(shared.connection, TABLE, forged, rule=rule)
    for resolution in ("DO NOTHING", f"({column}) DO UPDATE SET event_description = 'rewritten'"):
        if resolution == "DO NOTHING" or column in {"id", "sequence"}:
            forged = f'INSERT INTO key_audit_logs ("{column}", {SAID}) SELECT {value}, {SAME} AND true'
            refuses(shared.connection, TABLE, f"{forged} ON CONFLICT {resolution}", rule=rule)


@EACH_SETTING
def test_every_update_and_delete_on_sqlite_is_refused(shared: SharedDatabase, settings: Row) -> None:
    apply_settings(shared.connection, settings)
    connection = shared.connection
    master = insert(connection, "key_masters", **active_key_master(key_id="watched"))
    for _ in range(2):
        insert(connection, TABLE, **audit_entry(key_id=master["id"]))
    before = execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchone()[0]
    for resolution in ("REPLACE", "IGNORE", "FAIL", "ABORT"):
        for change in (
            "sequence = 1",
            "id = (SELECT min(id) FROM key_audit_logs)",
            "risk_score = 1",
            "sequence = sequence + 1",
            "sequence = 0",
        ):
            changed = f"UPDATE OR {resolution} key_audit_logs SET {change}"  # noqa: S608
            refuses(connection, TABLE, changed, rule=NO_UPDATE)
        replaced = f"UPDATE OR {resolution} key_masters SET id = lower(hex(randomblob(16)))"  # noqa: S608
        refuses(connection, TABLE, replaced, rule="protect_key_master_identity")
    refuses(connection, TABLE, "DELETE FROM key_audit_logs", rule=NO_DELETE)
    refuses(connection, TABLE, "DELETE FROM key_masters", rule="fk_key_audit_logs_key_id_key_masters")
    refuses(
        connection,
        TABLE,
        "REPLACE INTO key_masters (id, key_id, key_type, algorithm, key_size_bits)"
        " SELECT id, key_id, key_type, algorithm, key_size_bits FROM key_masters",
        rule="pk_key_masters",
    )
    insert(connection, TABLE, **audit_entry())
    found = execute(connection, f"SELECT sequence FROM {TABLE} ORDER BY sequence").fetchall()  # noqa: S608
    assert found == [(sequence,) for sequence in range(1, before + 2)]


def test_a_temporary_table_does_not_shadow_the_trail_of_a_careful_client(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "CREATE TEMPORARY TABLE key_audit_logs AS SELECT * FROM main.key_audit_logs")
        execute(connection, "CREATE TEMPORARY TABLE key_masters (id TEXT PRIMARY KEY)")
        execute(connection, "INSERT INTO temp.key_masters VALUES ('0190a5b0c0de7abc8def0123456789ab')")
        trail = "main.key_audit_logs"
        insert(connection, trail, **audit_entry())
        unknown = Forbidden({"key_id": "0190a5b0c0de7abc8def0123456789ab"}, "fk_key_audit_logs_key_id_key_masters")
        refuses_insert(connection, trail, audit_entry(), unknown)
        refuses(connection, trail, "DELETE FROM main.key_audit_logs", rule=NO_DELETE)
        refuses(connection, trail, "UPDATE main.key_audit_logs SET risk_score = 0", rule=NO_UPDATE)
        assert execute(connection, f"SELECT max(sequence) FROM {trail}").fetchone() == (2,)  # noqa: S608
        with pytest.raises(sqlite3.OperationalError, match="rowid"):
            execute(connection, f"SELECT rowid FROM {trail}")  # noqa: S608


@pytest.mark.parametrize("key", ["zz", "A" * 32, "0190a5b0-c0de-7abc-8def-0123456789ab", 7])
def test_an_entry_about_a_key_whose_id_is_none_is_refused(database: Database, key: object) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "PRAGMA ignore_check_constraints = ON")
        insert(connection, "key_masters", **key_master(id=key))
        refuses_insert(connection, TABLE, audit_entry(), Forbidden({"key_id": key}, "ck_key_audit_logs_key_id_type"))


def test_a_temporary_trigger_changes_no_entry(database: Database) -> None:
    with closing(database.connect()) as connection:
        for effect, rule in (
            ("UPDATE key_audit_logs SET risk_score = 0 WHERE id = NEW.id", NO_UPDATE),
            ("DELETE FROM key_audit_logs WHERE sequence = 1", NO_DELETE),
        ):
            execute(
                connection, f"CREATE TEMPORARY TRIGGER calm AFTER INSERT ON main.key_audit_logs BEGIN {effect}; END"
            )
            refuses_insert(connection, TABLE, audit_entry(), Forbidden({}, rule))
            execute(connection, "DROP TRIGGER temp.calm")
        insert(connection, TABLE, **audit_entry())
        assert len(stored(connection, TABLE)) == 2
