"""Several runs of `retain` on one trail and one folder, and what one of them left: nothing is lost or thrown out."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.proofs.prover import CannotProveError
from kms_schema.audit.retention import retain
from kms_schema.audit.retention.archive import sha256_of, write_archive
from kms_schema.audit.storage.errors import TrailError
from support.engines import Database
from support.errors import raises
from tests.audit.aged import age
from tests.audit.retainers import SECONDS, rest, retaining_process, where
from tests.audit.retaining import EXPIRED, Retaining, retaining
from tests.audit.sealers import start
from tests.audit.trails import FORGER, faults, open_trail, seal_all, verified, write, written_sequences


@pytest.fixture
def place(database: Database) -> Iterator[Retaining]:
    with retaining(database) as made:
        yield made


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
    process = start(retaining_process(place), where(place), str(tmp_path), *rest(place))
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0
    with closing(place.database.connect()) as connection:
        assert verified(connection).removed >= EXPIRED
