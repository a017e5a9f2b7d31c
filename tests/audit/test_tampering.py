"""The owner can change the trail, but not unnoticed: each change is found, and its row is named."""

import sqlite3

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats.encoding import COLUMNS
from kms_schema.audit.storage.errors import TrailError
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


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


CHANGES: dict[str, tuple[tuple[str, ...], str]] = {
    "an entry removed": (("DELETE FROM key_audit_logs WHERE sequence = 150",), "sequence 150 was sealed and is gone"),
    "entries swapped": (
        (
            "UPDATE key_audit_logs SET sequence = 9000 WHERE sequence = 7",
            "UPDATE key_audit_logs SET sequence = 7 WHERE sequence = 8",
            "UPDATE key_audit_logs SET sequence = 8 WHERE sequence = 9000",
        ),
        "(sequence 7) is not what was sealed",
    ),
    "an entry moved to the end": (
        ("UPDATE key_audit_logs SET sequence = 9000 WHERE sequence = 7",),
        "sequence 7 was sealed and is gone",
    ),
    "all entries removed": (("DELETE FROM key_audit_logs",), "sequence 1 was sealed and is gone"),
    "the first seal removed": (("DELETE FROM key_audit_seals WHERE seal_number = 1",), "seal 2: the seals before it"),
    "a middle seal removed": (
        ("DELETE FROM key_audit_seals WHERE seal_number = 2",),
        "seal 3: it comes after seal 1",
    ),
    "the last seal removed": (("DELETE FROM key_audit_seals WHERE seal_number > 2",), "belong to no seal"),
    "a seal signed like another": (
        ("UPDATE key_audit_seals SET signature = (SELECT signature FROM key_audit_seals WHERE seal_number = 1)",),
        "seal 2: its signature is not one of",
    ),
    "the signature of the last seal stripped": (
        (
            "UPDATE key_audit_seals SET signature = NULL, verifier_key = NULL"
            " WHERE seal_number = (SELECT max(seal_number) FROM key_audit_seals)",
        ),
        "it is not signed",
    ),
    "half a signature": (
        ("UPDATE key_audit_seals SET verifier_key = NULL WHERE seal_number = 2",),
        "seal 2: its signature is incomplete",
    ),
    "a page removed": (("DELETE FROM key_audit_leaves WHERE first_leaf = 100",), "leaves from 100 on are gone"),
    "a page added": (
        ("INSERT INTO key_audit_leaves SELECT 5000, 5000, hashes FROM key_audit_leaves WHERE first_leaf = 0",),
        "the leaves from 5000 on belong to no seal",
    ),
    "a page of entries that are in another": (
        ("INSERT INTO key_audit_leaves SELECT 5000, 50, hashes FROM key_audit_leaves WHERE first_leaf = 0",),
        "are for sequences that have other leaves",
    ),
    "a page without leaves": (
        ("UPDATE key_audit_leaves SET hashes = NULL WHERE first_leaf = 100",),
        "the leaves from 100 on cannot be read",
    ),
    "a page with half a hash": (
        ("UPDATE key_audit_leaves SET hashes = substr(hashes, 1, 50) WHERE first_leaf = 100",),
        "the leaves from 100 on cannot be read",
    ),
    "a page at the end of numbers": (
        (
            "UPDATE key_audit_leaves SET first_leaf = 9223372036854775807, first_sequence = 9223372036854775807"
            " WHERE first_leaf = 100",
        ),
        "the leaves from 100 on are gone",
    ),
    "a page before the first": (
        ("UPDATE key_audit_leaves SET first_leaf = -1 WHERE first_leaf = 0",),
        "key_audit_leaves has rows with invalid numbers, which no read finds: 1",
    ),
    "a subtree removed": (("DELETE FROM key_audit_subtrees",), "the 256 leaves from 0 on is gone"),
    "a subtree added": (
        ("INSERT INTO key_audit_subtrees SELECT 16, 0, hash FROM key_audit_subtrees",),
        "the 65536 leaves from 0 on is not that of the leaves",
    ),
    "a subtree of no level": (
        ("UPDATE key_audit_subtrees SET level = -8",),
        "key_audit_subtrees has rows with invalid numbers, which no read finds: 1",
    ),
    "a seal without what it needs": (
        ("UPDATE key_audit_seals SET origin = NULL WHERE seal_number = 2",),
        "seal 2 cannot be read: origin is of the type NoneType",
    ),
    "an origin of two lines": (
        ("UPDATE key_audit_seals SET origin = 'a\nb' WHERE seal_number = 2",),
        "seal 2 cannot be read: the origin and the extensions of a checkpoint are lines",
    ),
    "a root of others": (
        ("UPDATE key_audit_seals SET root_hash = previous_seal_hash WHERE seal_number = 2",),
        "seal 2: its root is not that of the leaves",
    ),
    "gaps that are none": (
        ("UPDATE key_audit_seals SET open_gaps = '[[1, 2]]' WHERE seal_number = 2",),
        "seal 2 cannot be read: its open gaps are not valid",
    ),
    "gaps that are written otherwise": (
        ("UPDATE key_audit_seals SET open_gaps = '[[1.0, 2, 3]]' WHERE seal_number = 2",),
        "seal 2 cannot be read: its open gaps are not valid",
    ),
    "a key that is none": (
        ("UPDATE key_audit_seals SET verifier_key = 'x' WHERE seal_number = 3",),
        "seal 3 cannot be read: not an Ed25519 verifier key",
    ),
    "a range of another size": (
        ("UPDATE key_audit_seals SET compact_range = root_hash WHERE seal_number = 3",),
        "seal 3 cannot be read: a tree of",
    ),
    "a last seal that cannot be read": (
        ("UPDATE key_audit_seals SET root_hash = NULL WHERE seal_number = 4",),
        "seal 4 cannot be read: root_hash is of the type NoneType",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_an_owner_does_is_found_and_named(scene: Scene, change: str) -> None:
    statements, message = CHANGES[change]
    with scene.changed():
        for statement in statements:
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
