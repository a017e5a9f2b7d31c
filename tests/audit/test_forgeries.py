"""A trail that is whole and another, and tombstones that no signature covers: verification finds them."""

# ruff: noqa: S608  (the names in these statements are the module's own)

import sqlite3
from contextlib import closing
from typing import Any

import psycopg
import pytest

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.proofs.prover import CannotProveError, prove_inclusion
from kms_schema.audit.retention.retain import expired
from kms_schema.audit.storage.errors import TrailError
from kms_schema.validator import validate
from support.engines import Database
from support.login_roles import drop_roles
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.retaining import EXPIRED, Retaining
from tests.audit.tampered import BATCH, LEAVES, SEALS, SUBTREES, Scene
from tests.audit.trails import (
    FORGER,
    KEY,
    checkpoint_of,
    faults,
    open_trail,
    seal_all,
    verified,
    write,
    written_sequences,
)


def forged(scene: Scene, *statements: str, key: Any = FORGER) -> None:
    """Delete the evidence, make a change, and seal again."""
    for table in (SEALS, LEAVES, SUBTREES):
        scene.execute(f"DELETE FROM {table}")
    for statement in statements:
        scene.execute(statement)
    seal_all(scene.connection, key, origin=scene.seals[0].origin, batch=BATCH)


REWRITES = {
    "an entry changed": ("UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 5",),
    "the tail cut": ("DELETE FROM key_audit_logs WHERE sequence > 120",),
    "nothing changed": (),
}


@pytest.mark.parametrize("rewrite", REWRITES)
def test_a_trail_that_is_sealed_again_is_found_by_trust_or_a_checkpoint(scene: Scene, rewrite: str) -> None:
    kept = checkpoint_of(scene.seals[-1])
    with scene.changed():
        forged(scene, *REWRITES[rewrite])
        assert scene.faults() == []
        assert "which is neither trusted" in scene.found(trusted=(KEY.verifier,))
        assert "checkpoint" in scene.found(kept)
    with scene.changed():
        forged(scene, *REWRITES[rewrite], key=KEY)
        assert scene.faults(trusted=(KEY.verifier,)) == []
        assert "checkpoint" in scene.found(kept, trusted=(KEY.verifier,))


def test_checkpoints_say_what_they_found(scene: Scene) -> None:
    kept = tuple(map(checkpoint_of, scene.seals))
    assert verified(scene.connection, checkpoints=kept).checkpoints == len(kept)
    with scene.changed():
        forged(scene, "DELETE FROM key_audit_logs WHERE sequence > 120", key=KEY)
        assert "none of the seals here is: the trail was cut" in scene.found(kept[-1])
    with scene.changed():
        forged(scene, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 5", key=KEY)
        assert "another root: its leaves were rewritten" in scene.found(kept[0])
    with scene.changed():
        forged(scene, key=KEY)
        assert "another seal over them" in scene.found(kept[0])
    other = Checkpoint("another.example", kept[0].size, kept[0].root)
    assert "is of the trail another.example" in scene.found(other)
    for size in (kept[0].size - 1, kept[-1].size + 1):
        other = Checkpoint("another.example", size, kept[0].root)
        assert [fault.message for fault in scene.faults(other)] == [
            f"the checkpoint is of the trail another.example, but this one is {kept[0].origin}"
        ]


def test_stripped_signatures_are_found_with_a_trusted_key(scene: Scene) -> None:
    with scene.changed():
        scene.execute("UPDATE key_audit_seals SET signature = NULL, verifier_key = NULL")
        assert scene.faults() == []
        assert verified(scene.connection).unsigned == len(scene.seals)
        found = scene.faults(trusted=(KEY.verifier,))
        assert [fault.seal for fault in found] == [kept.number for kept in scene.seals]


def test_a_seal_without_a_signature_is_held_by_the_next(scene: Scene) -> None:
    with scene.changed():
        forged(scene, key=None)
        assert scene.faults() == []
        scene.execute("UPDATE key_audit_seals SET snapshot_xmax = 7 WHERE seal_number = 1")
        assert scene.found() == "seal 2: it follows another seal than the one that is before it here"


@pytest.mark.only_on("postgresql")
def test_a_cast_that_a_superuser_created_hides_no_forgery(scene: Scene) -> None:
    """It says what was sealed: of the document of an entry, and of the gaps in a seal."""
    shown = "CASE WHEN $1 = '{found}' THEN '{said}' ELSE textin(jsonb_out($1)) END"
    with scene.changed():
        for table, column, at, found, fault in (
            ("key_audit_logs", "additional_metadata", "sequence = 5", '{"n": -1}', (5, None)),
            ("key_audit_seals", "open_gaps", "seal_number = 1", "[[3, 3]]", (None, 1)),
        ):
            (said,) = scene.execute(f"SELECT {column}::text FROM {table} WHERE {at}").fetchone()
            function = shown.format(found=found, said=said)
            scene.execute(f"CREATE FUNCTION pg_temp.said(jsonb) RETURNS text LANGUAGE sql AS $$SELECT {function}$$")
            scene.execute("CREATE CAST (jsonb AS text) WITH FUNCTION pg_temp.said(jsonb)")
            try:
                scene.execute(f"UPDATE {table} SET {column} = '{found}' WHERE {at}")
                assert scene.execute(f"SELECT {column}::text FROM {table} WHERE {at}").fetchone() == (said,)
                assert fault in [(each.sequence, each.seal) for each in scene.faults()]
            finally:
                scene.execute("DROP CAST (jsonb AS text)")
                scene.execute("DROP FUNCTION pg_temp.said(jsonb)")


@pytest.mark.only_on("postgresql")
def test_an_entry_in_a_child_table_is_gone(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 3)
        seal_all(connection)
        with triggers_disabled(connection):
            execute(connection, "CREATE TABLE child () INHERITS (key_audit_logs)")
            execute(connection, "INSERT INTO child SELECT * FROM ONLY key_audit_logs WHERE sequence = 2")
            execute(connection, "DELETE FROM ONLY key_audit_logs WHERE sequence = 2")
        assert execute(connection, "SELECT count(*) FROM key_audit_logs WHERE sequence = 2").fetchone() == (1,)
        found = faults(connection)
        assert [fault.sequence for fault in found] == [None, 2]
        assert "key_audit_logs has tables that inherit from it" in found[0].message


@pytest.mark.only_on("postgresql")
def test_an_entry_that_a_policy_hides_is_not_passed_over(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 3)
        seal_all(connection)
        role = f"{database.name}_auditor"
        execute(connection, f"CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        execute(connection, "ALTER TABLE key_audit_logs ENABLE ROW LEVEL SECURITY")
        execute(connection, "CREATE POLICY hides ON key_audit_logs USING (sequence <> 2)")
        try:
            execute(connection, f"SET ROLE {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                verified(connection)
            execute(connection, "RESET ROLE")
            assert faults(connection) == []
        finally:
            execute(connection, "RESET ROLE")
            drop_roles(connection, role)
        assert open_trail(connection)


def test_a_first_seal_by_another_key_is_found_by_trust_alone(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 3)
        seal_all(connection, FORGER)
        assert faults(connection) == []
        (fault,) = faults(connection, trusted=(KEY.verifier,))
        assert (fault.seal, "which is neither trusted" in fault.message) == (1, True)
        with pytest.raises(TrailError, match=r"after seal 1 the key .* signs, but this is"):
            seal_all(connection)


ORPHAN = "key_audit_tombstones has rows with invalid numbers, which no read finds: 1"
COVERED = """INSERT INTO key_audit_tombstones (seal_number, leaf_count, last_sequence, archive_sha256)
SELECT 9999, first_leaf + length(hashes) / 32, first_sequence + length(hashes) / 32 - 1, substr(hashes, 1, 32)
FROM key_audit_leaves WHERE first_leaf = 0"""


def test_a_tombstone_of_no_seal_covers_nothing(place: Retaining) -> None:
    """The owner takes the foreign key away: a seal's signature would not cover the tombstone."""
    place.write()
    with closing(place.database.connect()) as connection:
        with open_trail(connection).reading() as trail:
            cut = expired(trail)
        with triggers_disabled(connection):
            if isinstance(connection, sqlite3.Connection):
                execute(connection, "PRAGMA foreign_keys = OFF")
            execute(connection, COVERED)
            with open_trail(connection).reading() as trail:
                assert expired(trail) == cut
            execute(connection, "DELETE FROM key_audit_logs WHERE sequence = 2")
            execute(connection, "UPDATE key_audit_daily_totals SET event_count = event_count - 1 WHERE risk_score = 0")
        found = [each.message for each in faults(connection, trusted=(KEY.verifier,))]
        assert found == [ORPHAN, "the entry with sequence 2 was sealed and is gone, or is hidden from this role"]
        codes = {each.code for each in validate(connection, level="data").findings}
        assert "KMS513" in codes
        with open_trail(connection).reading() as trail, pytest.raises(CannotProveError, match="there is no entry 2"):
            prove_inclusion(trail, 2)


def test_everything_before_the_end_of_such_a_tombstone_is_missed(place: Retaining) -> None:
    place.write()
    with closing(place.database.connect()) as connection:
        with triggers_disabled(connection):
            if isinstance(connection, sqlite3.Connection):
                execute(connection, "PRAGMA foreign_keys = OFF")
            execute(connection, COVERED)
            execute(
                connection,
                "DELETE FROM key_audit_logs WHERE sequence <= (SELECT last_sequence FROM key_audit_tombstones)",
            )
        assert written_sequences(connection)[0] > EXPIRED
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert (verdict.removed, verdict.faults[0].message) == (0, ORPHAN)
        assert len(verdict.faults) + verdict.more_faults > EXPIRED


@pytest.mark.only_on("postgresql")
def test_tombstones_that_a_policy_hides_are_not_passed_over(place: Retaining) -> None:
    """Policies that leave nothing out are applied; one that hides tombstones would make the entries look removed."""
    place.write()
    with closing(place.database.connect()) as connection:
        execute(connection, f"SET ROLE {place.prefix}kms_auditor")
        assert faults(connection) == []
        execute(connection, "RESET ROLE")
        execute(connection, "ALTER TABLE key_audit_tombstones ENABLE ROW LEVEL SECURITY")
        execute(connection, f"SET ROLE {place.prefix}kms_auditor")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            verified(connection)
        execute(connection, "RESET ROLE")
