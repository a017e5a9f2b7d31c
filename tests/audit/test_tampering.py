"""The owner can change the trail, but not unnoticed: each change is found, and its row is named."""

import os
import sqlite3

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats.encoding import COLUMNS
from kms_schema.audit.storage.errors import TrailError
from tests.audit.changes import CHANGES
from tests.audit.tampered import (
    ENTRIES,
    LEAVES,
    LOGS,
    SEALS,
    SUBTREES,
    Scene,
    copy_of_an_entry,
    flip,
    stored,
)
from tests.audit.trails import seal_all, verified

SEAL_COLUMNS = (
    "origin", "sealed_at", "tree_size", "root_hash", "previous_seal_hash", "verifier_key", "signature", "next_key",
    "compact_range", "last_sequence", "open_gaps", "snapshot_xmax", "system_identifier",
)  # fmt: skip
PLACES = st.one_of(
    st.tuples(st.just(LOGS), st.sampled_from(list(COLUMNS)), st.integers(1, ENTRIES)),
    st.tuples(st.just(SEALS), st.sampled_from(["seal_number", *SEAL_COLUMNS]), st.integers(1, 3)),
    st.tuples(st.just(LEAVES), st.sampled_from(["first_leaf", "first_sequence", "hashes"]), st.sampled_from([0, 100])),
    st.tuples(st.just(SUBTREES), st.sampled_from(["level", "position", "hash"]), st.just(0)),
)


@settings(
    deadline=None,
    max_examples=int(os.environ.get("KMS_TEST_EXAMPLES", "40")),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(PLACES, st.integers(0, 4095))
def test_a_bit_that_is_flipped_is_found(scene: Scene, place: tuple[str, str, int], bit: int) -> None:
    table, column, key = place
    with scene.changed():
        before = stored(scene, table)
        try:
            flip(scene, table, column, key, bit)
        except (psycopg.DataError, psycopg.IntegrityError, sqlite3.IntegrityError):
            return  # there is no such value
        if stored(scene, table) == before:
            return  # another way to write the same: JSON, or an id in capitals
        found = scene.faults()
    if table == LOGS:
        assert key in {fault.sequence for fault in found}
        assert len(found) == (1 if column != "sequence" else len(found))
    elif table == SEALS and column != "seal_number":
        assert key in {fault.seal for fault in found}
    else:
        assert found


@pytest.mark.parametrize("change", CHANGES)
def test_what_an_owner_does_is_found_and_named(scene: Scene, change: str) -> None:
    statements, message = CHANGES[change]
    with scene.changed():
        for statement in statements.split("; "):
            scene.execute(statement)
        assert message in scene.found()


@pytest.mark.parametrize("place", ["of an entry that is gone", "of none", "that is the highest"])
def test_an_inserted_entry_is_found(scene: Scene, place: str) -> None:
    with scene.changed():
        sequence = 150
        if place == "of an entry that is gone":
            scene.execute("DELETE FROM key_audit_logs WHERE sequence = 150")
        elif place == "of none":
            sequence = 0
        else:
            sequence = 9000
        scene.execute(copy_of_an_entry(scene, sequence))
        verdict = verified(scene.connection)
    if place == "that is the highest":
        assert (verdict.unsealed, verdict.sound) == (1, True)  # it is the next to be sealed
    else:
        assert not verdict.sound


def test_a_last_seal_that_cannot_be_read_ends_sealing(scene: Scene) -> None:
    with scene.changed():
        scene.execute("UPDATE key_audit_seals SET origin = NULL")
        with pytest.raises(TrailError, match=r"cannot be read.*nothing is sealed after it"):
            seal_all(scene.connection)


ON_SQLITE = {
    "a BLOB for a text": ("UPDATE key_audit_logs SET event_type = x'00' WHERE sequence = 5", "5 cannot be read"),
    "an id that is none": ("UPDATE key_audit_logs SET id = 'x' WHERE sequence = 5", "5 cannot be read: id"),
    "an entry without a number": ("UPDATE key_audit_logs SET sequence = 'x' WHERE sequence = 5", "5 was sealed and is"),
    "half a number": (
        "UPDATE key_audit_logs SET sequence = 5.5 WHERE sequence = 5", "key_audit_logs has rows with invalid numbers",
    ),
    "a number that is too large": ("UPDATE key_audit_logs SET risk_score = 1 << 40 WHERE sequence = 5", "5 cannot be"),
    "no time": ("UPDATE key_audit_logs SET timestamp = 'today' WHERE sequence = 5", "5 cannot be read: timestamp"),
    "bytes that are no text": (
        "UPDATE key_audit_logs SET user_id = CAST(x'ff' AS TEXT) WHERE sequence = 5", "(sequence 5)",
    ),
    "an origin that is no text": (
        "UPDATE key_audit_seals SET origin = CAST(x'ff' AS TEXT) WHERE seal_number = 2", "seal 2 cannot",
    ),
    "a seal without a number": (
        "UPDATE key_audit_seals SET seal_number = 'x' WHERE seal_number = 2", "key_audit_seals has",
    ),
    "gaps that are no JSON": (
        "UPDATE key_audit_seals SET open_gaps = '[' WHERE seal_number = 2", "seal 2 cannot be read",
    ),
    "gaps with a space": (
        "UPDATE key_audit_seals SET open_gaps = '[ ]' WHERE seal_number = 2", "its open gaps are not valid",
    ),
    "gaps without end": (
        "UPDATE key_audit_seals SET open_gaps = printf('%.*c', 99999, '[') WHERE seal_number = 2",
        "seal 2 cannot be read",
    ),
    "leaves that are text": (
        "UPDATE key_audit_leaves SET hashes = 'x' WHERE first_leaf = 100", "100 on cannot be read",
    ),
    "a page by no number": (
        "UPDATE key_audit_leaves SET first_leaf = 'x' WHERE first_leaf = 100", "key_audit_leaves has",
    ),
    "a subtree by no number": ("UPDATE key_audit_subtrees SET position = 'x'", "key_audit_subtrees has"),
    "a subtree that is text": ("UPDATE key_audit_subtrees SET hash = 'x'", "is not that of the leaves"),
}  # fmt: skip


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("change", ON_SQLITE)
def test_what_cannot_be_read_is_named(scene: Scene, change: str) -> None:
    statement, message = ON_SQLITE[change]
    with scene.changed():
        scene.execute(statement)
        assert message in scene.found()
