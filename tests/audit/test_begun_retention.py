"""A run of `retain` that ended after its export: the next one takes its archive, although more entries have expired."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.audit.proofs.prover import seal_of
from kms_schema.audit.retention import retain
from kms_schema.audit.retention.retain import Expired
from kms_schema.audit.standalone.check_audit import Refused, check_archives, read_key
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.transactions import Snapshot
from support.engines import Database
from tests.audit.retaining import KEPT, Retaining, retaining
from tests.audit.trails import KEY, verified, written_sequences

FIRST, SECOND = 30, 20


@pytest.fixture
def place(database: Database) -> Iterator[Retaining]:
    """Give a trail with two seals of expired entries, and others."""
    with retaining(database) as made:
        made.write(expired=FIRST, kept=0)
        made.write(expired=SECOND, kept=KEPT)
        yield made


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
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are all checked together: no two have the same entries."""
    archive = export_and_end(place, tmp_path, monkeypatch)
    content = archive.read_bytes()
    steps = place.retain(tmp_path)
    tombstones = [each.seal.checkpoint_text() for each in steps if each.seal]
    try:
        checked = check_archives(sorted(tmp_path.iterdir()), [read_key(str(KEY.verifier))], tombstones)
    except Refused as error:
        pytest.fail(str(error))
    first, second = steps
    assert (first.archive, archive.read_bytes()) == (archive, content)
    assert [each.end_leaf - each.first_leaf for each in checked] == [first.removed, second.removed]
    assert (first.removed >= FIRST, second.removed) == (True, SECOND)
    assert place.retain(tmp_path) == []
    with closing(place.database.connect()) as connection:
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert (verdict.faults, verdict.removed) == ([], checked[-1].end_leaf)


@pytest.mark.parametrize("last_leaf", [3, 10**6], ids=["within a page", "beyond the expired entries"])
def test_a_file_that_ends_where_nothing_can_be_cut_is_refused(place: Retaining, tmp_path: Path, last_leaf: int) -> None:
    (tmp_path / f"audit-{0:012d}-{last_leaf:012d}.jsonl.gz").write_bytes(b"another")
    with pytest.raises(TrailError, match=f"ends with leaf {last_leaf}, up to which no entries can be removed now"):
        place.retain(tmp_path)
    with closing(place.database.connect()) as connection:
        assert written_sequences(connection)[0] == 1


def test_a_file_that_has_not_the_entries_of_its_name_is_refused(
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_and_end(place, tmp_path, monkeypatch).write_bytes(b"another")
    with pytest.raises(TrailError, match="exists, and is not the archive of these entries"):
        place.retain(tmp_path)
    with closing(place.database.connect()) as connection:
        assert written_sequences(connection)[0] == 1
