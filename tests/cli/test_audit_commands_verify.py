"""`kms-schema audit verify`: exit status and the first bad entry, with checkpoints, keys, and from a seal on."""

from contextlib import closing

import pytest

from kms_schema.audit import open_trail, seal
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.cli.audit_trails import MANY, Trail, tamper


@pytest.fixture
def three(trail: Trail) -> Trail:
    """Return a trail of 1, 11 and 21 entries in three seals, and two entries more."""
    trail.seal(name="1.txt")
    for name in ("2.txt", "3.txt"):
        trail.write(10)
        trail.seal(name=name)
    trail.write(2)
    return trail


def test_a_trail_that_nobody_touched_is_sound(three: Trail) -> None:
    checkpoints = [item for name in ("1.txt", "2.txt", "3.txt") for item in ("--checkpoint", three.folder / name)]
    verified = three.told("verify", *checkpoints, "--trust", three.trusted)
    assert verified == {
        "sound": True,
        "since_seal": None,
        "entries": 21,
        "removed": 0,
        "unsealed": 2,
        "seals": 3,
        "unsigned_seals": 0,
        "tree_size": 21,
        "checkpoints_given": 3,
        "checkpoints_held": 3,
        "trusted_keys": [str(three.key.verifier)],
        "against_time": 0,
        "first_against_time": None,
        "indexes_compared": [
            "key_audit_logs (sequence)",
            "key_audit_seals (seal_number)",
            "key_audit_leaves (first_leaf)",
            "key_audit_leaves (first_sequence)",
            "key_audit_subtrees (level, position)",
            "key_audit_tombstones (seal_number)",
        ],
        "faults": [],
        "more_faults": 0,
    }
    done = three.audit("verify", *checkpoints, "--trust", three.trusted)
    assert (done.status, done.err, done.out.splitlines()[-1]) == (0, "", "sound")
    assert "no external checkpoint was given" in three.audit("verify").out


def test_nothing_sealed_is_not_sound(trail: Trail) -> None:
    done = trail.audit("verify")
    assert (done.status, done.out.splitlines()[-1].startswith("NOTHING IS SEALED")) == (1, True)
    assert not trail.told("verify")["sound"]


def test_the_first_bad_entry_is_named(three: Trail) -> None:
    tamper(three, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence IN (5, 7)")
    with closing(three.database.connect()) as connection:
        rows = execute(
            connection, "SELECT id FROM key_audit_logs WHERE sequence IN (5, 7) ORDER BY sequence"
        ).fetchall()
    verified = three.told("verify")
    assert not verified["sound"]
    assert [fault["sequence"] for fault in verified["faults"]] == [5, 7]
    assert [fault["entry"].replace("-", "") for fault in verified["faults"]] == [
        str(row[0]).replace("-", "") for row in rows
    ]
    done = three.audit("verify")
    assert done.status == 1
    assert "NOT SOUND (faults: 2); the first: entry" in done.out.splitlines()[-1]
    assert "(sequence 5) is not what was sealed" in done.out.splitlines()[-1]


def test_a_trail_that_was_rewritten_and_sealed_anew_is_caught_by_a_checkpoint_alone(three: Trail) -> None:
    tamper(three, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 5")
    for table in ("key_audit_subtrees", "key_audit_leaves", "key_audit_seals"):
        tamper(three, f"DELETE FROM {table}")  # noqa: S608
    three.seal(name="anew.txt")
    assert three.audit("verify", "--trust", three.trusted).status == 0, "as docs/audit.md says first of all"
    done = three.audit("verify", "--checkpoint", three.folder / "2.txt")
    assert done.status == 1
    assert "rewritten" in done.out


def test_a_checkpoint_of_another_trail_and_no_checkpoint_are_told_apart(three: Trail) -> None:
    text = (three.folder / "3.txt").read_text(encoding="utf-8")
    other = three.folder / "other.txt"
    other.write_text(text.partition("\n\n")[0].replace("kms.example", "other.example") + "\n", encoding="utf-8")
    done = three.audit("verify", "--checkpoint", other)
    assert done.status == 1
    assert "the checkpoint is of the trail other.example/audit, but this one is kms.example/audit" in done.out
    other.write_text("no checkpoint\n", encoding="utf-8")
    done = three.audit("verify", "--checkpoint", other)
    assert (done.status, done.out) == (2, "")
    assert str(other) in done.error
    other.write_text("", encoding="utf-8")
    again = "is empty; fetch the checkpoint again: kms-schema audit checkpoint > checkpoint.txt"
    assert again in three.audit("verify", "--checkpoint", other).error
    other.write_text(text.replace("\n21\n", "\n20\n"), encoding="utf-8")
    done = three.audit("verify", "--checkpoint", other, "--trust", three.trusted)
    assert done.status == 2
    assert "is not one of this text" in done.error


def test_from_a_seal_on_what_came_later_is_verified_and_the_rest_is_not_looked_at(three: Trail) -> None:
    verified = three.told("verify", "--since", 2, "--checkpoint", three.folder / "2.txt")
    assert (verified["sound"], verified["entries"], verified["unsealed"], verified["seals"]) == (True, 10, 2, 3)
    assert (verified["since_seal"], verified["tree_size"], verified["checkpoints_held"]) == (2, 21, 1)
    assert "the tree of seal 2 is not verified" in three.audit("verify", "--since", 2).out
    assert three.told("verify", "--since", 3)["entries"] == 0
    tamper(three, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 5")
    assert three.audit("verify", "--since", 2).status == 0
    assert three.audit("verify", "--since", 1).status == 1
    tamper(three, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 15")
    done = three.audit("verify", "--since", 2)
    assert done.status == 1
    assert "(sequence 15) is not what was sealed" in done.out


def test_from_a_seal_on_leaves_roots_and_chain_are_verified_too(three: Trail) -> None:
    for statement, says in (
        ("UPDATE key_audit_leaves SET hashes = substr(hashes, 1, 32) WHERE first_leaf = 11", "there are 12"),
        ("UPDATE key_audit_seals SET compact_range = root_hash WHERE seal_number = 2", "seal 2"),
    ):
        tamper(three, statement)
        done = three.audit("verify", "--since", 2)
        assert done.status != 0
        assert says in done.all


def test_a_seal_that_was_changed_is_no_start_for_whoever_kept_its_checkpoint(three: Trail) -> None:
    tamper(
        three,
        "UPDATE key_audit_seals SET root_hash = previous_seal_hash, verifier_key = NULL, signature = NULL"
        " WHERE seal_number = 2",
    )
    done = three.audit("verify", "--since", 2, "--checkpoint", three.folder / "2.txt")
    assert done.status == 1
    assert "seal 2: its root is not that of the leaves" in done.out
    assert "seal 3: it follows another seal" in done.out


def test_there_is_no_start_from_a_seal_that_is_not_there_or_after_a_checkpoint(three: Trail) -> None:
    done = three.audit("verify", "--since", 4)
    assert (done.status, done.out) == (1, "")
    assert "there is no seal 4: the last is 3" in done.error
    done = three.audit("verify", "--since", 3, "--checkpoint", three.folder / "2.txt")
    assert (done.status, done.out) == (1, "")
    assert "start from an older seal, or leave --since out" in done.error


def test_from_a_seal_on_kept_subtrees_that_end_later_are_verified(trail: Trail) -> None:
    """600 entries in seals of 200: the first 256 end in the second seal, the next in the third."""
    with closing(trail.database.connect()) as connection:
        execute(connection, MANY.format(count=599))
        sizes = [made.tree_size for made in seal(open_trail(connection), trail.key, batch=200)]
    assert sizes == [200, 400, 600]
    for number in (1, 2, 3):
        verified = trail.told("verify", "--since", number)
        assert (verified["sound"], verified["entries"]) == (True, 600 - sizes[number - 1]), verified
    tamper(trail, "DELETE FROM key_audit_subtrees WHERE position = 0")
    assert "leaves from 0 on is gone" in trail.audit("verify", "--since", 1).out
    assert trail.audit("verify", "--since", 2).status == 0
    tamper(trail, "DELETE FROM key_audit_subtrees WHERE position = 1")
    assert "leaves from 256 on is gone" in trail.audit("verify", "--since", 2).out


@pytest.mark.only_on("postgresql")
def test_from_a_seal_on_what_filled_its_gaps_is_verified(trail: Trail) -> None:
    with closing(trail.database.connect()) as slow:
        execute(slow, "BEGIN")
        insert(slow, "key_audit_logs", **audit_entry(risk_score=1))
        trail.write(2)
        trail.seal()
        execute(slow, "COMMIT")
    trail.write(2)
    trail.seal(name="second.txt")
    verified = trail.told("verify", "--since", 1, "--checkpoint", trail.folder / "kept.txt")
    assert (verified["sound"], verified["entries"], verified["tree_size"]) == (True, 3, 6)
    tamper(trail, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 2")
    assert "(sequence 2) is not what was sealed" in trail.audit("verify", "--since", 1).out
