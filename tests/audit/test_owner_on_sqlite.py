"""Attacks with access to the SQLite file: carried out, and found by the verification or the validator."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.audit import TrailError, append, open_trail
from kms_schema.audit.formats.keys import write_signing_key
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs.commands import kms_schema
from support.statements import execute
from tests.audit.owners import owned
from tests.audit.trails import KEY, seal_all, sealed_sequences, verified, write, written_sequences
from tests.validator.drifts_sqlite import rewritten

pytestmark = pytest.mark.only_on("sqlite")

CALM = "UPDATE key_audit_logs SET user_id = 'nobody' WHERE sequence = {sequence}"
CHANGED = "(sequence {sequence}) is not what was sealed"
NO_UPDATE, NO_DELETE = "prevent_key_audit_log_update", "prevent_key_audit_log_delete"
LEFT_BEHIND = {
    "UPDATE": "UPDATE key_audit_logs SET user_id = 'nobody'",
    "DELETE": "DELETE FROM key_audit_logs",
    "INSERT": "INSERT INTO rotation_policies (policy_name, key_type, max_operations) VALUES ('x', 'dek', 1)",
}


def file_of(database: Database) -> Path:
    return Path(database.name)


def test_a_dropped_trigger_is_found_and_what_was_done_then(database: Database) -> None:
    with owned(database) as trail:
        execute(trail.connection, f"DROP TRIGGER {NO_UPDATE}")
        execute(trail.connection, CALM.format(sequence=trail.sequence))
        assert CHANGED.format(sequence=trail.sequence) in trail.verified()
        assert trail.codes() == {"KMS141"}


def test_a_trigger_that_was_made_again_hides_nothing(database: Database) -> None:
    with owned(database) as trail:
        ((text,),) = execute(trail.connection, f"SELECT sql FROM sqlite_schema WHERE name = '{NO_UPDATE}'").fetchall()  # noqa: S608
        execute(trail.connection, f"DROP TRIGGER {NO_UPDATE}")
        execute(trail.connection, CALM.format(sequence=trail.sequence))
        execute(trail.connection, text)
        assert trail.codes("data") == set()
        assert CHANGED.format(sequence=trail.sequence) in trail.verified()


def test_a_schema_that_was_written_is_found_and_what_was_done_then(database: Database) -> None:
    with owned(database) as trail:
        assert isinstance(trail.connection, sqlite3.Connection)
        rewritten(NO_DELETE, "ON key_audit_logs\nWHEN (", "ON key_audit_logs\nWHEN 0 AND (")(trail.connection)
        execute(trail.connection, f"DELETE FROM key_audit_logs WHERE sequence = {trail.sequence}")  # noqa: S608
        assert f"sequence {trail.sequence} was sealed and is gone" in trail.verified()
        assert trail.codes() == {"KMS143"}


def test_bytes_changed_in_the_file_are_found(database: Database) -> None:
    with owned(database) as trail:
        execute(trail.connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        kept, sequence = trail.kept, trail.sequence
    content = file_of(database).read_bytes()
    assert b"somebody" in content
    file_of(database).write_bytes(content.replace(b"somebody", b"innocent"))
    with closing(database.connect()) as connection:
        faults = verified(connection, checkpoints=(kept,)).faults
        assert faults[0].message.endswith(f"{CHANGED.format(sequence=sequence)}: it was changed afterwards")
        assert execute(connection, "PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_older_copy_put_back_is_found_by_a_checkpoint_alone(database: Database, tmp_path: Path) -> None:
    with owned(database) as trail:
        execute(trail.connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(database.name, tmp_path / "older.db")
    with owned(database) as trail:
        kept = trail.kept
    for suffix in ("-wal", "-shm"):
        Path(database.name + suffix).unlink(missing_ok=True)
    shutil.copy(tmp_path / "older.db", database.name)
    with closing(database.connect()) as connection:
        assert verified(connection).sound
        (fault,) = verified(connection, checkpoints=(kept,)).faults
        assert "none of the seals here is: the trail was cut" in fault.message


WRITER = """
import os, signal, sqlite3, sys
from pathlib import Path
from tests.audit.trails import checkpoint_of, seal_all, write
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA wal_autocheckpoint = 0")
write(connection, 3)
Path(sys.argv[2]).write_text(checkpoint_of(seal_all(connection)[-1]).text())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_log_that_was_deleted_is_found_by_a_checkpoint(database: Database, tmp_path: Path) -> None:
    """Whoever is killed leaves what it committed in the write-ahead log."""
    with owned(database):
        pass
    kept = tmp_path / "kept.txt"
    ended = subprocess.run([sys.executable, "-c", WRITER, database.name, str(kept)], cwd=REPOSITORY, check=False)
    assert ended.returncode == -signal.SIGKILL
    log = Path(f"{database.name}-wal")
    assert log.stat().st_size > 0
    log.unlink()
    done = kms_schema("audit", "verify", "--checkpoint", str(kept), url=database.url)
    assert done.status == 1
    assert "the trail was cut" in done.out
    assert kms_schema("audit", "verify", url=database.url).status == 0


def test_temporary_tables_are_neither_sealed_nor_verified(database: Database) -> None:
    with owned(database) as trail:
        write(trail.connection, 2)
        for table in ("key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees", "key_masters"):
            execute(trail.connection, f"CREATE TEMPORARY TABLE {table} AS SELECT * FROM main.{table} LIMIT 0")  # noqa: S608
        assert verified(trail.connection, checkpoints=(trail.kept,)).unsealed == 2
        assert seal_all(trail.connection)
        assert trail.verified() == "sound"
        assert execute(trail.connection, "SELECT count(*) FROM temp.key_audit_seals").fetchone() == (0,)
    with closing(database.connect()) as connection:
        assert sealed_sequences(connection) == written_sequences(connection)


@pytest.mark.parametrize("table", ["key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees"])
def test_a_view_is_not_taken_for_the_trail(database: Database, table: str) -> None:
    with owned(database) as trail:
        execute(trail.connection, "DROP VIEW key_audit_trail")
        execute(trail.connection, "PRAGMA legacy_alter_table = on")  # old versions rename no table that a view reads
        execute(trail.connection, f"ALTER TABLE {table} RENAME TO hidden")
        execute(trail.connection, f"CREATE VIEW {table} AS SELECT * FROM hidden")  # noqa: S608
        with pytest.raises(TrailError, match=f"{table} is not a plain table"):
            trail.verified()
        assert "KMS101" in trail.codes()


@pytest.mark.parametrize("left", LEFT_BEHIND)
@pytest.mark.parametrize("command", ["seal", "append"])
def test_a_trigger_left_in_the_file_does_not_act_through_our_commands(
    database: Database, left: str, command: str, tmp_path: Path
) -> None:
    """With the guard triggers dropped it could write: our connections refuse writes by triggers."""
    table = {"seal": "key_audit_seals", "append": "key_audit_logs"}[command]
    with owned(database) as trail:
        write(trail.connection, 1)
        for name in (NO_UPDATE, NO_DELETE):
            execute(trail.connection, f"DROP TRIGGER {name}")
        made = f"CREATE TRIGGER left_behind AFTER INSERT ON {table} BEGIN {LEFT_BEHIND[left]}; END"
        execute(trail.connection, made)
    write_signing_key(tmp_path / "seal.key", KEY)
    said = {
        "seal": ("--key", str(tmp_path / "seal.key")),
        "append": ("--event-type", "X", "--category", "SECURITY", "--description", "x"),
    }[command]
    done = kms_schema("audit", command, *said, url=database.url)
    assert done.status == 3
    assert "a trigger or view of the file tried to write through this program" in done.error
    with closing(database.connect()) as connection:
        verdict = verified(connection, checkpoints=(trail.kept,))
        assert (verdict.sound, verdict.unsealed) == (True, 1)
        assert execute(connection, "SELECT count(*) FROM rotation_policies").fetchone() == (0,)


def test_nothing_can_be_written_over_a_connection_that_reads(database: Database) -> None:
    from kms_schema.cli.connections import connected  # noqa: PLC0415

    with connected(database.url) as connection:
        for statement in (
            "CREATE TEMPORARY TABLE key_audit_logs (id)",
            "DELETE FROM key_audit_logs",
            "ATTACH ':memory:' AS x",
        ):
            with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
                execute(connection, statement)
        assert execute(connection, "SELECT count(*) FROM key_audit_logs").fetchone() != (0,)


@pytest.mark.parametrize("table", ["key_audit_seals", "key_audit_leaves", "key_audit_logs"])
def test_a_row_that_a_trigger_discards_is_an_error(database: Database, table: str) -> None:
    with owned(database) as trail:
        execute(trail.connection, f"CREATE TRIGGER aa BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END")
        assert trail.codes() == {"KMS142"}
        assert trail.verified() == "sound"
        if table != "key_audit_logs":
            execute(trail.connection, "DROP TRIGGER aa")
            write(trail.connection, 1)
            execute(trail.connection, f"CREATE TRIGGER aa BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END")
        with pytest.raises(TrailError, match=f"discards rows written to {table}: nothing was written"):
            _written_or_sealed(trail.connection, table)


def _written_or_sealed(connection: sqlite3.Connection | object, table: str) -> None:
    assert isinstance(connection, sqlite3.Connection)
    if table == "key_audit_logs":
        append(open_trail(connection), event_type="X", event_category="SECURITY", event_description="x")
    else:
        seal_all(connection)
