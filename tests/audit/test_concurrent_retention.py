"""Several runs of retain on one trail and folder, at once or after one that ended: nothing is lost or thrown out."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.proofs.prover import CannotProveError, seal_of
from kms_schema.audit.retention import retain
from kms_schema.audit.retention.archive import sha256_of, write_archive
from kms_schema.audit.retention.retain import Expired
from kms_schema.audit.standalone.check_audit import Refused, check_archives, read_key
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.transactions import Snapshot
from support.errors import raises
from tests.audit.aged import age
from tests.audit.retaining import EXPIRED, KEPT, Retaining
from tests.audit.sealers import SECONDS
from tests.audit.trails import FORGER, KEY, faults, open_trail, seal_all, verified, write, written_sequences


def test_a_slower_run_does_not_replace_the_archive_that_a_tombstone_names(
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its archive has the same entries and another checkpoint, since a seal was made in between."""
    place.write()
    faster: list[retain.Retained] = []
    runs = 0

    def overtaken(*arguments: Any, **options: Any) -> None:
        nonlocal runs
        runs += 1
        write_archive(*arguments, **options)
        if runs == 1:
            with closing(place.database.connect()) as connection:
                write(connection, 1)
                seal_all(connection)
            faster.extend(place.retain(tmp_path))

    monkeypatch.setattr(retain, "write_archive", overtaken)
    with pytest.raises(Exception, match="guard_key_audit_tombstone_insert"):
        place.retain(tmp_path)
    (done,) = faster
    assert runs == 2
    assert done.archive is not None
    assert done.seal is not None
    assert sha256_of(done.archive) == done.seal.archive_sha256
    assert [*tmp_path.iterdir()] == [done.archive]
    with closing(place.database.connect()) as connection:
        assert (faults(connection), verified(connection).removed) == ([], done.removed)


def test_a_run_beside_one_that_removes_does_not_call_the_trail_false(
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has a batch removed and not committed: this one finds nothing to remove, and then what is left."""
    place.write()
    place.write_tombstone(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(retain, "_remove", lambda *_: 0)
        with pytest.raises(TrailError, match="another run of retain removes entries: run it again"):
            place.retain(tmp_path)
    (done,) = place.retain(tmp_path)
    assert done.removed >= EXPIRED


def test_an_entry_that_is_left_is_removed_only_if_it_is_what_was_sealed(place: Retaining, tmp_path: Path) -> None:
    """What proves a forgery is not thrown away."""
    place.write()
    place.write_tombstone(tmp_path)
    age(place.database, 1, rows="sequence = 3")
    with closing(place.database.connect()) as connection:
        before = written_sequences(connection)
        with pytest.raises(
            CannotProveError, match="the entry with sequence 3 is under a tombstone, and is not what was"
        ):
            place.retain(tmp_path)
        assert written_sequences(connection) == before
        assert [each.sequence for each in faults(connection)] == [3]


def test_what_is_left_is_not_removed_or_published_with_another_key(place: Retaining, tmp_path: Path) -> None:
    """Nothing could be sealed after a tombstone that another key signed, so its entries stay."""
    place.write()
    place.write_tombstone(tmp_path)
    published: list[object] = []
    with closing(place.retention.connect()) as connection:
        steps = retain.retain(open_trail(connection), FORGER, tmp_path, sealed=published.append)
        with raises(TrailError, "other_signer", match="but this is"):
            list(steps)
    with closing(place.database.connect()) as connection:
        assert (written_sequences(connection)[0], published) == (1, [])


def test_a_pipe_in_the_folder_is_not_read(place: Retaining, tmp_path: Path) -> None:
    """Reading it would never end."""
    place.write()
    os.mkfifo(tmp_path / "audit-9.jsonl.gz")
    place.write_tombstone(tmp_path)
    process = place.start_process(tmp_path)
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0
    with closing(place.database.connect()) as connection:
        assert verified(connection).removed >= EXPIRED


FIRST, SECOND = 30, 20


@pytest.fixture
def of_two_seals(place: Retaining) -> Retaining:
    """Give a trail with two seals of expired entries, and others."""
    place.write(expired=FIRST, kept=0)
    place.write(expired=SECOND, kept=KEPT)
    return place


def export_and_end(place: Retaining, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run it when only the entries of the first seal had expired, and end it before it has a tombstone."""

    def expired_then(snapshot: Snapshot) -> Expired:
        found = snapshot.tree.last_cut(seal_of(snapshot.seals, 1).tree_size)
        assert found is not None
        return Expired(0, *found)

    def ended(*_: object, **_values: object) -> int:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(retain, "expired", expired_then)
        patched.setattr(retain, "append", ended)
        with pytest.raises(InterruptedError):
            place.retain(folder)
    (archive,) = folder.iterdir()
    return archive


def test_its_archive_is_taken_and_the_rest_goes_to_another(
    of_two_seals: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are all checked together: no two have the same entries."""
    archive = export_and_end(of_two_seals, tmp_path, monkeypatch)
    content = archive.read_bytes()
    steps = of_two_seals.retain(tmp_path)
    tombstones = [each.seal.checkpoint_text() for each in steps if each.seal]
    try:
        checked = check_archives(sorted(tmp_path.iterdir()), [read_key(str(KEY.verifier))], tombstones)
    except Refused as error:
        pytest.fail(str(error))
    first, second = steps
    assert (first.archive, archive.read_bytes()) == (archive, content)
    assert [each.end_leaf - each.first_leaf for each in checked] == [first.removed, second.removed]
    assert (first.removed >= FIRST, second.removed) == (True, SECOND)
    assert of_two_seals.retain(tmp_path) == []
    with closing(of_two_seals.database.connect()) as connection:
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert (verdict.faults, verdict.removed) == ([], checked[-1].end_leaf)


@pytest.mark.parametrize("last_leaf", [3, 10**6], ids=["within a page", "beyond the expired entries"])
def test_a_file_that_ends_where_nothing_can_be_cut_is_refused(
    of_two_seals: Retaining, tmp_path: Path, last_leaf: int
) -> None:
    (tmp_path / f"audit-{0:012d}-{last_leaf:012d}.jsonl.gz").write_bytes(b"another")
    with pytest.raises(TrailError, match=f"ends with leaf {last_leaf}, up to which no entries can be removed now"):
        of_two_seals.retain(tmp_path)
    with closing(of_two_seals.database.connect()) as connection:
        assert written_sequences(connection)[0] == 1


def test_a_file_that_has_not_the_entries_of_its_name_is_refused(
    of_two_seals: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_and_end(of_two_seals, tmp_path, monkeypatch).write_bytes(b"another")
    with pytest.raises(TrailError, match="exists, and is not the archive of these entries"):
        of_two_seals.retain(tmp_path)
    with closing(of_two_seals.database.connect()) as connection:
        assert written_sequences(connection)[0] == 1
