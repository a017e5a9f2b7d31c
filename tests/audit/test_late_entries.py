"""Entries that were sealed after higher sequences: they hold no others, and nothing removes them before their turn."""

# ruff: noqa: S608  (the numbers in these statements are the module's own)

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.proofs.prover import CannotProveError, prove_inclusion
from kms_schema.audit.retention.retain import Retained
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.storage.sqlite.entries import SqliteEntries
from kms_schema.validator import validate
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import now
from support.statements import execute, refused
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.aged import age
from tests.audit.retaining import EXPIRED, YEARS, Retaining
from tests.audit.trails import (
    KEY,
    checkpoint_of,
    faults,
    open_trail,
    seal_all,
    sealed_sequences,
    verified,
    write,
    written_sequences,
)

NO_DELETE = "prevent_key_audit_log_delete"
TRUSTED = (KEY.verifier,)
CHECKED_BY = [check_audit.read_key(str(KEY.verifier))]
RESTORE = "SET kms.restore = on"
"""So that the owner writes entries that are old: time does not pass in a test."""
LONG_AGO = dt.timedelta(days=YEARS)
FIRST_PERIOD, SECONDS = dt.timedelta(days=2555), 9


@dataclass(frozen=True)
class Late:
    """A trail whose beginning was removed, up to `last`; before that by sequence, and after it by leaf, is `late`."""

    place: Retaining
    connection: Connection
    late: int
    last: int
    done: Retained


@pytest.fixture
def late(place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Late]:
    """Seal an entry after those that follow it, as old as they are; then others, that are to be kept, and retain."""
    with closing(place.database.connect()) as connection:
        if place.database.dialect == "postgresql":
            sequence = _committed_late(place.database, connection)
        else:
            sequence = _sealed_late(place.database, connection, monkeypatch)
        last = written_sequences(connection)[-3]
        (done,) = place.retain(tmp_path)
        yield Late(place, connection, sequence, last, done)


def _committed_late(database: Database, connection: Connection) -> int:
    age(database, YEARS)
    with closing(database.connect()) as other:
        for each in (connection, other):
            execute(each, RESTORE)
        write(connection, 2, timestamp=now() - LONG_AGO)
        execute(other, "BEGIN")
        write(other, 1, timestamp=now() - LONG_AGO)
        late = written_sequences(other)[-1]
        write(connection, 3, timestamp=now() - LONG_AGO)
        execute(connection, "RESET kms.restore")
        seal_all(connection)
        execute(other, "COMMIT")
    write(connection, 2)
    seal_all(connection)
    return late


def _sealed_late(database: Database, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> int:
    """Seal as PostgreSQL does: SQLite's writers take turns, so no client gets there."""
    write(connection, 6)
    age(database, YEARS)
    late = written_sequences(connection)[-4]
    unsealed: Callable[..., Iterator[bytes]] = SqliteEntries.unsealed

    def without(self: SqliteEntries, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        yield from self.read(after + 1, late - 1)
        yield from unsealed(self, late, gaps, limit)

    def late_first(self: SqliteEntries, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        yield from self.read(late, late)
        yield from unsealed(self, after, gaps, limit)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteEntries, "unsealed", without)
        seal_all(connection, batch=10_000)
        write(connection, 2)
        patched.setattr(SqliteEntries, "unsealed", late_first)
        seal_all(connection, batch=10_000)
    return late


def test_a_late_entry_stays_until_its_leaf_is_under_a_tombstone(late: Late) -> None:
    assert late.done.seal is not None
    assert late.done.seal.tombstone_last_sequence == late.last > late.late
    assert (written_sequences(late.connection)[0], late.done.removed) == (late.late, late.last - 1)
    verdict = verified(late.connection, trusted=TRUSTED)
    assert (verdict.faults, verdict.removed) == ([], late.last - 1)
    if late.place.database.dialect == "postgresql":
        execute(late.connection, f"SET ROLE {late.place.prefix}kms_remover")
    for statement in f"DELETE FROM key_audit_logs WHERE sequence <= {late.last}", "DELETE FROM key_audit_logs":
        refused(late.connection, statement, rule=NO_DELETE, sqlstate="23001")
    if late.place.database.dialect == "postgresql":
        execute(late.connection, "RESET ROLE")
    with open_trail(late.connection).reading() as trail:
        assert prove_inclusion(trail, late.late)
        with pytest.raises(CannotProveError, match="past its retention period and was removed"):
            prove_inclusion(trail, late.late - 1)


def test_what_is_forged_among_removed_and_late_entries_is_found(late: Late) -> None:
    """The validator compares numbers: it finds the late entry that is gone, and not what a removed sequence holds."""
    with triggers_disabled(late.connection):
        execute(late.connection, f"CREATE TABLE taken AS SELECT * FROM key_audit_logs WHERE sequence = {late.late}")
        execute(late.connection, f"DELETE FROM key_audit_logs WHERE sequence = {late.late}")
    assert [each.message for each in faults(late.connection)] == [
        f"the entry with sequence {late.late} was sealed and is gone, or is hidden from this role"
    ]
    findings = validate(late.connection, level="data").findings
    assert [each.code for each in findings if "KMS511" <= each.code <= "KMS515"] == ["KMS513"]
    with triggers_disabled(late.connection):
        execute(late.connection, "INSERT INTO key_audit_logs SELECT * FROM taken")
        assert faults(late.connection) == []
        execute(late.connection, f"DELETE FROM key_audit_logs WHERE sequence = {late.late}")
        execute(late.connection, "UPDATE taken SET sequence = 2")
        execute(late.connection, "INSERT INTO key_audit_logs SELECT * FROM taken")
    execute(late.connection, "DROP TABLE taken")
    found = [each.message.partition(") ")[2] or each.message for each in faults(late.connection)]
    gone = f"the entry with sequence {late.late} was sealed and is gone, or is hidden from this role"
    assert sorted(found) == ["is not what was sealed: it was changed afterwards", gone]


@pytest.mark.only_on("postgresql")
def test_transactions_that_take_turns_over_every_seal_hold_nothing(place: Retaining, tmp_path: Path) -> None:
    """Some entry is open at each seal, and at each cut; entries of the second part expire between the two cuts."""
    age(place.database, YEARS)
    seals = []
    with ExitStack() as stack:
        connection, *holders = (stack.enter_context(closing(place.database.connect())) for _ in range(3))
        for each in (connection, *holders):
            execute(each, RESTORE)

        def take_turns(timestamp: dt.datetime) -> None:
            for turn in range(5):
                holder, before = holders[turn % 2], holders[1 - turn % 2]
                execute(before, "BEGIN")
                write(before, 1, timestamp=timestamp)
                write(connection, 2, timestamp=timestamp)
                execute(holder, "COMMIT")
                seals.extend(seal_all(connection))
            holders.reverse()

        execute(holders[0], "BEGIN")
        write(holders[0], 1, timestamp=now() - LONG_AGO)
        take_turns(now() - LONG_AGO)
        expiring = written_sequences(connection)[-1]
        second = now() - FIRST_PERIOD + dt.timedelta(seconds=SECONDS)
        take_turns(second)
        execute(connection, "RESET kms.restore")
        write(connection, 1)
        seals += seal_all(connection)
        order = sealed_sequences(connection)
        assert order != sorted(order)
        (first,) = place.retain(tmp_path)
        assert is_removed(connection, order, first)
        assert written_sequences(connection)[0] < highest_under(first) == expiring
        time.sleep(max(0, (second + FIRST_PERIOD - now()).total_seconds()) + 0.1)
        (following,) = place.retain(tmp_path)
        assert is_removed(connection, order, first, following)
        assert highest_under(following) == order[-2]
        for done in (first, following):
            assert done.archive is not None
            assert done.seal is not None
            check_audit.check_archive(done.archive, CHECKED_BY, done.seal.checkpoint_text())
        for holder in holders:
            execute(holder, "COMMIT")
        unsealed = set(written_sequences(connection)) - set(sealed_sequences(connection))
        assert min(unsealed) < highest_under(following)
        execute(connection, f"SET ROLE {place.prefix}kms_remover")
        for sequence in unsealed:
            refused(connection, f"DELETE FROM key_audit_logs WHERE sequence = {sequence}", rule=NO_DELETE)
        execute(connection, "RESET ROLE")
        seals += [first.seal, following.seal, *seal_all(connection)]
        whole = sealed_sequences(connection)
        assert len(whole) == len(set(whole))
        checkpoints = tuple(checkpoint_of(each) for each in seals if each)
        verdict = verified(connection, trusted=TRUSTED, checkpoints=checkpoints)
        assert (verdict.faults, verdict.unsealed, verdict.checkpoints) == ([], 0, len(checkpoints))


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("hint", ["999999", "x"])
def test_a_removal_that_begins_at_the_wrong_place_leaves_nothing(place: Retaining, tmp_path: Path, hint: str) -> None:
    """A session's next removal begins where its last one ended; any client can set that."""
    place.write()
    place.write_tombstone(tmp_path)
    with closing(place.retention.connect()) as connection:
        execute(connection, f"SET kms.removed_until = '{hint}'")
        removed = [execute(connection, "SELECT remove_expired_key_audit_logs()").fetchone() for _ in range(2)]
        assert removed == [(EXPIRED + 2,), (0,)]


def is_removed(connection: Connection, order: list[int], *done: Retained) -> bool:
    """Return whether the entries of the leaves under the last tombstone, and no others, are gone."""
    removed = sum(each.removed for each in done)
    assert done[-1].seal is not None
    assert done[-1].seal.tombstone_leaf_count == removed
    left, gone = set(written_sequences(connection)), set(order[:removed])
    return not left & gone and set(order) - gone <= left


def highest_under(done: Retained) -> int:
    assert done.seal is not None
    assert done.seal.tombstone_last_sequence is not None
    return done.seal.tombstone_last_sequence
