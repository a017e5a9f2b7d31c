"""Tombstones: which of them the database refuses, and which of those that it could not refuse a verification finds."""

# ruff: noqa: S608  (the names in these statements are the module's own)

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from kms_schema.audit.formats.keys import SigningKey, VerifierKey
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.sealing.sealer import seal_tombstone
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import login
from support.statements import execute, refused
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.aged import age
from tests.audit.retaining import YEARS, Retaining
from tests.audit.trails import (
    FORGER,
    KEY,
    checkpoint_of,
    open_trail,
    seal_all,
    sealed_sequences,
    verified,
    write,
    written_sequences,
)

GUARD = "guard_key_audit_tombstone_insert"
PUT_IN = """INSERT INTO key_audit_tombstones (seal_number, leaf_count, last_sequence, archive_sha256)
SELECT seal_number + {seal}, {leaf_count}, {last_sequence}, root_hash FROM key_audit_seals
ORDER BY seal_number DESC LIMIT 1"""
OLD = """INSERT INTO key_audit_logs (event_type, event_category, event_description, "timestamp")
VALUES ('TEST', 'LIFECYCLE', 'x', clock_timestamp() - interval '3000 days')"""
SHA = bytes(32)


@pytest.fixture
def connection(place: Retaining) -> Iterator[Connection]:
    """The owner's, to a trail of two seals; what the first is over is past its period."""
    place.write()
    with closing(place.database.connect()) as opened:
        yield opened


def end_of_expired(connection: Connection) -> tuple[int, int]:
    """Return leaf count and last sequence of what the first seal is over."""
    rows = execute(connection, "SELECT tree_size, last_sequence FROM key_audit_seals ORDER BY seal_number").fetchall()
    leaf_count, last_sequence = rows[0]
    return leaf_count, last_sequence


def put_in(leaf_count: int, last_sequence: int, *, seal: int = 0) -> str:
    return PUT_IN.format(seal=seal, leaf_count=leaf_count, last_sequence=last_sequence)


def test_a_tombstone_that_may_not_be_is_refused(connection: Connection) -> None:
    leaves, last = end_of_expired(connection)
    for what, statement in {
        "over entries that are to be kept": put_in(leaves + 5, last + 5),
        "not at the end of a page": put_in(leaves - 1, last - 1),
        "a leaf less than there are entries": put_in(leaves - 1, last),
        "an entry more than there are leaves": put_in(leaves, last + 1),
        "beyond everything": put_in(leaves + 1000, last + 1000),
        "of an older seal": put_in(leaves, last, seal=-1),
        "of a seal that is not there": put_in(leaves, last, seal=1),
    }.items():
        execute(connection, "BEGIN")
        refused(connection, statement, rule=GUARD)
        execute(connection, "ROLLBACK")
        assert what
    execute(connection, put_in(leaves, last))


def test_a_tombstone_is_not_for_entries_that_are_gone(connection: Connection) -> None:
    """Nothing says of them that their period has ended, and no archive has them."""
    with triggers_disabled(connection):
        execute(connection, "DELETE FROM key_audit_logs WHERE sequence = 3")
    assert "gone" in str(refused(connection, put_in(*end_of_expired(connection)), rule=GUARD))


def test_a_tombstone_reaches_further_than_the_one_before(place: Retaining, tmp_path: Path) -> None:
    place.write(kept=0)
    place.write_tombstone(tmp_path)
    with closing(place.database.connect()) as connection:
        leaves, last = end_of_expired(connection)
        seal_all(connection)
        refused(connection, put_in(leaves, last), rule=GUARD)


def test_a_seal_that_is_not_signed_has_no_tombstone(place: Retaining) -> None:
    with closing(place.database.connect()) as connection:
        write(connection, 3)
        age(place.database, YEARS)
        seal_all(connection, None)
        write(connection, 1)
        seal_all(connection, None)
        refused(connection, put_in(*end_of_expired(connection)), rule=GUARD)


@pytest.mark.only_on("postgresql")
def test_a_tombstone_ends_with_the_highest_sequence_and_late_entries_are_not_under_it(place: Retaining) -> None:
    age(place.database, YEARS)
    with closing(place.database.connect()) as late, closing(place.database.connect()) as connection:
        for each in (late, connection):
            execute(each, "SET kms.restore = 'on'")
        execute(late, "BEGIN")
        execute(late, OLD)
        execute(connection, OLD)
        execute(connection, "RESET kms.restore")
        seal_all(connection)
        execute(late, "COMMIT")
        seal_all(connection)
        *_, last, before = order = sealed_sequences(connection)
        higher = refused(connection, put_in(leaves := len(order), before), rule=GUARD)
        assert f"have a higher sequence than {before}" in str(higher)
        refused(connection, put_in(leaves, last), rule=GUARD)
        execute(connection, put_in(leaves - 1, last))


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("role", ["kms_app", "kms_admin", "kms_rotator", "kms_auditor", "kms_sealer"])
def test_only_retention_writes_tombstones(place: Retaining, connection: Connection, role: str) -> None:
    statement = put_in(*end_of_expired(connection))
    with login(place.database, place.prefix + role) as seen, closing(seen.connect()) as other:
        refused(other, statement, rule="permission denied", sqlstate="42501")


WRITTEN_ONCE = {
    "UPDATE": "UPDATE key_audit_tombstones SET leaf_count = leaf_count + 1",
    "UPDATE of the archive": "UPDATE key_audit_tombstones SET archive_sha256 = archive_sha256",
    "DELETE": "DELETE FROM key_audit_tombstones",
}


def test_a_tombstone_is_written_once(place: Retaining, tmp_path: Path) -> None:
    place.write(kept=0)
    place.retain(tmp_path)
    with closing(place.database.connect()) as connection:
        before = execute(connection, "SELECT * FROM key_audit_tombstones").fetchall()
        for statement in WRITTEN_ONCE.values():
            verb = statement.split()[0].lower()
            refused(connection, statement, rule=f"prevent_key_audit_tombstone_{verb}")
        if place.database.dialect == "sqlite":
            replaced = "INSERT OR REPLACE INTO key_audit_tombstones SELECT * FROM key_audit_tombstones"
            refused(connection, replaced, rule=GUARD)
        assert execute(connection, "SELECT * FROM key_audit_tombstones").fetchall() == before


def put_under_a_true_seal(connection: Connection) -> None:
    """By any writer: the guard cannot look at a signature."""
    execute(connection, put_in(*end_of_expired(connection)))


def put_in_and_used(connection: Connection) -> None:
    leaves, last = end_of_expired(connection)
    with triggers_disabled(connection):
        execute(connection, put_in(leaves + 2, last + 2))
        execute(connection, f"DELETE FROM key_audit_logs WHERE sequence <= {last + 2}")


def sealed_by(signer: SigningKey | None) -> Callable[[Connection], None]:
    """Return a change that signs the newest seal again, with a tombstone, by another key or by none."""

    def seal(connection: Connection) -> None:
        leaves, last = end_of_expired(connection)
        with triggers_disabled(connection):
            execute(connection, put_in(leaves, last))
            sign_anew(connection, signer)

    return seal


def sign_anew(connection: Connection, signer: SigningKey | None) -> None:
    """Sign the present newest seal, with the triggers disabled."""
    with open_trail(connection).reading() as trail:
        newest = trail.seals.last()
    assert newest is not None
    made = replace(newest, verifier_key=None, signature=None)
    made = made.signed_by(signer) if signer else made
    signed = {"verifier": made.verifier_key, "signature": made.signature, "number": made.number}
    change = "UPDATE key_audit_seals SET verifier_key = :verifier, signature = :signature WHERE seal_number = :number"
    execute(connection, change, signed)


def removed_without_one(connection: Connection) -> None:
    with triggers_disabled(connection):
        execute(connection, "DELETE FROM key_audit_logs WHERE sequence <= 7")


FORGED: dict[str, tuple[Callable[[Connection], None], str]] = {
    "a row under a true seal": (put_under_a_true_seal, "its signature is not one of"),
    "a row over entries that are to be kept, which were removed": (put_in_and_used, "its signature is not one of"),
    "a seal that another key has signed": (sealed_by(FORGER), "but the seal before leads to"),
    "a seal that nobody has signed": (sealed_by(None), "it has a tombstone, but is not signed"),
    "entries removed although no tombstone is for them": (removed_without_one, "sequence 1 was sealed and is gone"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_tombstone_is_found(connection: Connection, forgery: str) -> None:
    """With and without a key that is trusted."""
    forge, found = FORGED[forgery]
    assert verified(connection, trusted=(KEY.verifier,)).sound
    forge(connection)
    for trusted in (), (KEY.verifier,):
        assert found in said(connection, trusted)


def said(connection: Connection, trusted: tuple[VerifierKey, ...] = ()) -> str:
    return "\n".join(fault.message for fault in verified(connection, trusted=trusted).faults)


CHANGED = {
    "the number of leaves": ("UPDATE key_audit_tombstones SET leaf_count = leaf_count - 1", "signature is not one"),
    "the last sequence": ("UPDATE key_audit_tombstones SET last_sequence = last_sequence + 1", "signature is not one"),
    "the archive": ("UPDATE key_audit_tombstones SET archive_sha256 = {other}", "signature is not one"),
    "taken away": ("DELETE FROM key_audit_tombstones", "the entry with sequence 1 was sealed and is gone"),
    "another seal's": ("UPDATE key_audit_tombstones SET seal_number = seal_number - 1", "its signature is not one of"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGED)
def test_a_tombstone_that_was_changed_after_the_cut_is_found(place: Retaining, tmp_path: Path, change: str) -> None:
    place.write()
    place.retain(tmp_path)
    statement, found = CHANGED[change]
    with closing(place.database.connect()) as connection:
        assert verified(connection, trusted=(KEY.verifier,)).sound
        other = "zeroblob(32)" if place.database.dialect == "sqlite" else "decode(repeat('00', 32), 'hex')"
        with triggers_disabled(connection):
            execute(connection, statement.format(other=other))
        assert found in said(connection)


def test_the_signing_key_cannot_write_a_tombstone_for_retained_entries(connection: Connection) -> None:
    """The database looks at each entry itself."""
    leaves, last = end_of_expired(connection)
    write(connection, 1)
    with pytest.raises((psycopg.Error, sqlite3.Error), match=GUARD):
        seal_tombstone(open_trail(connection), KEY, Tombstone(leaves + 5, last + 5, SHA))
    assert written_sequences(connection)[:2] == [1, 2]
    assert said(connection) == ""


def test_the_checkpoint_of_a_cut_reveals_another_cut_signed_with_the_same_key(place: Retaining, tmp_path: Path) -> None:
    """A tombstone that names another archive is another seal over the same tree."""
    place.write()
    (done,) = place.retain(tmp_path)
    assert done.seal is not None
    with closing(place.database.connect()) as connection:
        with triggers_disabled(connection):
            execute(connection, "UPDATE key_audit_tombstones SET archive_sha256 = :other", {"other": SHA})
            sign_anew(connection, KEY)
        assert said(connection, (KEY.verifier,)) == ""
        verdict = verified(connection, checkpoints=(checkpoint_of(done.seal),), trusted=(KEY.verifier,))
        assert [fault.message for fault in verdict.faults] == [
            f"the checkpoint of {done.seal.tree_size} leaves is of another seal over them: it was rewritten"
        ]


def test_a_tombstone_that_divides_nothing_is_found_even_under_a_true_key(connection: Connection) -> None:
    """With the key and without triggers any tombstone can be signed, but it does not agree with the leaves."""
    leaves, last = end_of_expired(connection)
    write(connection, 1)
    with triggers_disabled(connection):
        made = seal_tombstone(open_trail(connection), KEY, Tombstone(leaves - 1, last, SHA))
    (fault,) = verified(connection, trusted=(KEY.verifier,)).faults
    said = (
        f"its tombstone is for {leaves - 1} leaves, but these do not end with a page and their highest sequence, {last}"
    )
    assert fault.message == f"seal {made.number}: {said}"


@pytest.mark.only_on("postgresql")
def test_the_owner_of_the_trail_removes_nothing_by_the_function_that_is_still_his(database: Database) -> None:
    """Before there are roles it belongs to him, and so do the entries under a tombstone, which he can write."""
    with closing(database.connect()) as connection:
        write(connection, 3)
        age(database, YEARS)
        seal_all(connection)
        leaves, last = end_of_expired(connection)
        write(connection, 1)
        seal_tombstone(open_trail(connection), KEY, Tombstone(leaves, last, SHA))
        delete = f"DELETE FROM key_audit_logs WHERE sequence <= {last}"
        refused(connection, delete, rule="prevent_key_audit_log_delete", sqlstate="23001")
        refused(connection, "SELECT remove_expired_key_audit_logs()", rule="", sqlstate="55000")
        assert written_sequences(connection)[0] == 1
