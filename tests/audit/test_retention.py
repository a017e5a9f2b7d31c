"""The end of a retention period: what goes, what stays, what still verifies, and what no archive can have."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.proofs.prover import CannotProveError, prove_consistency, prove_inclusion
from kms_schema.audit.retention import retain
from kms_schema.audit.retention.retain import expired
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.standalone.check_audit import check_archive, check_archives, check_proof, read_key
from kms_schema.audit.storage.append import append
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import OpenTrail
from support.engines import Database
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.audit.aged import age
from tests.audit.retaining import EXPIRED, KEPT, YEARS, Retaining, retaining
from tests.audit.trails import KEY, checkpoint_of, faults, open_trail, seal_all, verified, write, written_sequences

SECONDS = 5
TRUSTED = [read_key(str(KEY.verifier))]


def first_kept(place: Retaining) -> int:
    with closing(place.database.connect()) as connection:
        return written_sequences(connection)[0]


def test_what_is_past_its_period_goes_and_all_that_was_ever_handed_out_still_verifies(
    place: Retaining, tmp_path: Path
) -> None:
    place.write()
    with closing(place.database.connect()) as connection:
        with open_trail(connection).reading() as trail:
            old = [StoredSeal.from_row(row) for row in trail.seals.rows()]
            proofs = [prove_inclusion(trail, sequence) for sequence in (1, 2, EXPIRED)]
        before = written_sequences(connection)
    (done,) = place.retain(tmp_path)
    assert done.seal is not None
    assert done.archive is not None
    assert done.removed == done.seal.tombstone_leaf_count >= EXPIRED
    with closing(place.database.connect()) as connection:
        assert written_sequences(connection)[:KEPT] == before[done.removed : done.removed + KEPT]
        verdict = verified(connection, checkpoints=tuple(map(checkpoint_of, old)), trusted=(KEY.verifier,))
        assert (verdict.faults, verdict.removed, verdict.checkpoints) == ([], done.removed, len(old))
        with open_trail(connection).reading() as trail:
            grown = prove_consistency(trail, old[0].number, done.seal.number)
            with pytest.raises(CannotProveError, match="past its retention period and was removed"):
                prove_inclusion(trail, 2)
    for document in (*proofs, grown):
        assert check_proof(document.encode(), TRUSTED)
    archive = check_archive(done.archive, TRUSTED, done.seal.checkpoint_text())
    assert (archive.first_leaf, archive.end_leaf) == (0, done.removed)


def test_entries_go_in_turn_as_their_periods_end_each_time_to_an_archive_of_its_own(
    place: Retaining, tmp_path: Path
) -> None:
    place.write(kept=0)
    with closing(place.database.connect()) as connection:
        write(connection, 7)
        age(place.database, 3, kept=3, seconds_left=SECONDS)
        ended = time.monotonic() + SECONDS
        seal_all(connection)
    (first,) = place.retain(tmp_path)
    assert place.retain(tmp_path) == []
    time.sleep(max(0, ended - time.monotonic()))  # the period of these ends meanwhile, by the database's clock
    (second,) = place.retain(tmp_path)
    assert (first.removed >= EXPIRED, second.removed) == (True, 7)
    assert len(check_archives(sorted(tmp_path.iterdir()), TRUSTED)) == 2
    with closing(place.database.connect()) as connection:
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert (verdict.faults, verdict.removed) == ([], first.removed + 7)


def test_the_first_entry_that_is_to_be_kept_keeps_all_that_came_after_it(place: Retaining, tmp_path: Path) -> None:
    place.write(kept=1)
    with closing(place.database.connect()) as connection:
        kept = written_sequences(connection)[-1]
    place.write(kept=0)
    place.retain(tmp_path)
    with closing(place.database.connect()) as connection:
        assert written_sequences(connection)[0] == kept
        assert faults(connection) == []


def test_what_is_not_sealed_stays_however_old_it_is(place: Retaining, tmp_path: Path) -> None:
    place.write(kept=0)
    with closing(place.database.connect()) as connection:
        write(connection, 3)
        last = written_sequences(connection)[-1]
    age(place.database, YEARS)
    place.retain(tmp_path)
    with closing(place.database.connect()) as connection:
        assert written_sequences(connection)[:3] == [last - 2, last - 1, last]
        assert faults(connection) == []


def test_nothing_is_removed_that_is_not_what_was_sealed(place: Retaining, tmp_path: Path) -> None:
    """What proves a forgery is not thrown away."""
    place.write()
    age(place.database, 1, rows="sequence = 3")
    with pytest.raises(CannotProveError, match="the entry with sequence 3 is not what was sealed"):
        place.retain(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert first_kept(place) == 1


def test_what_is_left_of_an_interrupted_run_goes_only_with_its_archive_in_the_folder(
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write()
    with monkeypatch.context() as patched:
        patched.setattr(retain, "_remove", _dies)
        with pytest.raises(InterruptedError):
            place.retain(tmp_path)
    assert first_kept(place) == 1
    with closing(place.database.connect()) as connection:
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert (verdict.faults, verdict.removed) == ([], 0)
    (archive,) = tmp_path.iterdir()
    hidden = archive.rename(tmp_path / "elsewhere")
    with pytest.raises(TrailError, match="is not in"):
        place.retain(tmp_path)
    hidden.rename(archive)
    (left,) = place.retain(tmp_path)
    assert (left.archive, left.removed >= EXPIRED, first_kept(place)) == (None, True, left.removed + 1)


def _dies(*_: object) -> int:
    raise InterruptedError


def test_another_file_of_the_same_name_is_not_written_over(place: Retaining, tmp_path: Path) -> None:
    place.write()
    with closing(place.retention.connect()) as connection, open_trail(connection).reading() as trail:
        cut = expired(trail)
    assert cut is not None
    (tmp_path / cut.name).write_bytes(b"somebody's")
    with pytest.raises(TrailError, match="exists, and is not the archive of these entries"):
        place.retain(tmp_path)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"somebody's"]


OLD = """INSERT INTO key_audit_logs (event_type, event_category, event_description, "timestamp")
SELECT 'TEST', 'LIFECYCLE', 'x', clock_timestamp() - interval '3000 days' FROM generate_series(1, {count})"""


@pytest.mark.only_on("postgresql")
def test_a_sequence_that_may_still_come_holds_nothing_and_late_entries_go_when_a_higher_one_does(
    place: Retaining, tmp_path: Path
) -> None:
    age(place.database, YEARS)
    with closing(place.database.connect()) as late, closing(place.database.connect()) as connection:
        for each in (late, connection):
            execute(each, "SET kms.restore = 'on'")
        execute(connection, OLD.format(count=4))
        seal_all(connection)
        execute(late, "BEGIN")
        execute(late, OLD.format(count=2))
        held = written_sequences(late)[-2]
        execute(connection, OLD.format(count=300))
        seal_all(connection)
        with open_trail(connection).reading() as trail:
            cut = expired(trail)
        assert cut is not None
        assert (cut.entries, cut.last_sequence) == (held - 1 + 300, held + 301)
        execute(late, "COMMIT")
        seal_all(connection)
        with open_trail(connection).reading() as trail:
            assert expired(trail) == cut, "the late ones come after the highest sequence"
        execute(connection, OLD.format(count=2))
        seal_all(connection)
        (done,) = place.retain(tmp_path)
        assert (done.removed, first_kept(place)) == (held + 303, held + 304)
        assert faults(connection) == []


@pytest.mark.only_on("postgresql")
def test_nothing_is_removed_beside_an_entry_that_was_put_in_afterwards(place: Retaining, tmp_path: Path) -> None:
    """The owner wrote it with a sequence that was left out: no archive would have it, and no leaf is its own."""
    with closing(place.database.connect()) as connection:
        execute(connection, "BEGIN")
        write(connection, 1)
        left_out = written_sequences(connection)[-1]
        execute(connection, "ROLLBACK")
    place.write()
    with closing(place.database.connect()) as connection:
        execute(connection, "SET kms.restore = 'on'")
        execute(connection, OLD.format(count=1).replace('"timestamp")', '"timestamp", sequence)').replace(
            "interval '3000 days'", f"interval '3000 days', {left_out}"
        ))  # fmt: skip
    with pytest.raises(CannotProveError, match="that were never sealed"):
        place.retain(tmp_path)
    assert (list(tmp_path.iterdir()), first_kept(place)) == ([], 1)


def test_an_export_that_another_sealer_sealed_first_is_recorded_and_sealed_again(
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tombstone is a line of a seal, and there is no seal of nothing."""
    place.write()
    exported: list[int] = []

    def overtaken(trail: OpenTrail, **values: Any) -> int:
        sequence = append(trail, **values)
        exported.append(sequence)
        if len(exported) == 1:
            with closing(place.database.connect()) as connection:
                assert seal_all(connection)
        return sequence

    monkeypatch.setattr(retain, "append", overtaken)
    (done,) = place.retain(tmp_path)
    assert (len(exported), done.removed) == (2, first_kept(place) - 1)
    with closing(place.database.connect()) as connection:
        assert faults(connection) == []


def test_nothing_is_exported_that_its_own_checker_would_refuse(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with retaining(database) as place:
        with closing(database.connect()) as connection:
            insert(connection, "key_audit_logs", **audit_entry(event_description="x" * 2000))
        place.write()
        with closing(database.connect()) as connection:
            before = written_sequences(connection)
        for longest, what in ((300, r"the proof of seal \d+"), (2000, r"entry \S+ \(sequence \d+\)")):
            monkeypatch.setattr(check_audit, "LONGEST", longest)
            with pytest.raises(CannotProveError, match=f"{what} takes .* has at most {longest}: nothing is exported"):
                place.retain(tmp_path)
        with closing(database.connect()) as connection:
            assert written_sequences(connection) == before
        assert list(tmp_path.iterdir()) == []
        monkeypatch.undo()
        (done,) = place.retain(tmp_path)
        assert done.removed > 0


@pytest.mark.only_on("sqlite")
def test_a_text_that_is_not_utf8_is_named_by_everything_that_reads_it(database: Database, tmp_path: Path) -> None:
    with retaining(database) as place:
        with closing(database.connect()) as connection:
            assert isinstance(connection, sqlite3.Connection)
            (guard,) = execute(
                connection, "SELECT sql FROM sqlite_schema WHERE name = 'guard_key_audit_log_insert_values'"
            ).fetchone()
            execute(connection, "DROP TRIGGER guard_key_audit_log_insert_values")
            execute(
                connection,
                "INSERT INTO key_audit_logs (event_type, event_category, event_description, user_id)"
                " VALUES ('A', 'SECURITY', 'b', CAST(x'61ff' AS TEXT))",
            )
            execute(connection, guard)
            ((entry, sequence),) = execute(
                connection, "SELECT id, sequence FROM key_audit_logs ORDER BY sequence DESC LIMIT 1"
            ).fetchall()
        place.write()
        with closing(database.connect()) as connection:
            seal_all(connection)
            (found,) = faults(connection)
            assert found.sequence == sequence
            assert "has a text that is not UTF-8: it was written past the guard triggers" in found.message
            named = (
                rf"sequence {sequence}\) cannot be written as JSON: user_id: .* it was written past the guard triggers"
            )
            with open_trail(connection).reading() as trail, pytest.raises(CannotProveError, match=named):
                prove_inclusion(trail, sequence)
        with pytest.raises(CannotProveError, match=named):
            place.retain(tmp_path)
        assert list(tmp_path.iterdir()) == []
        assert entry
