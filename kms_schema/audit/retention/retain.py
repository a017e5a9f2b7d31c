"""The end of a retention period: export what is past it, say so in a signed seal, remove exactly that.

Each step can be the last one before the process dies; running it again goes on. Nothing is removed whose archive is not
in the folder, whole, and the one that the tombstone names.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.proofs.prover import CannotProve, seal_of
from kms_schema.audit.retention.archive import Exported, sha256_of, write_archive
from kms_schema.audit.sealing.sealer import NothingToSealError, refuse_other_key, seal_tombstone
from kms_schema.audit.standalone import check_archive
from kms_schema.audit.standalone.check_proof import Refused, read_key
from kms_schema.audit.storage.appended_entry import append
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import OpenTrail, Snapshot

Told = Callable[[str, int, int], None]
"""Is told what is done, how much of it has been, and how much there is."""

_ATTEMPTS = 20
"""How often an export is written down anew, where another sealer is always there first."""


@dataclass(frozen=True)
class Expired:
    """The beginning of the trail that is past its retention period, and in no archive yet."""

    first_leaf: int
    end_leaf: int
    last_sequence: int

    @property
    def entries(self) -> int:
        """How many they are."""
        return self.end_leaf - self.first_leaf

    @property
    def name(self) -> str:
        """What its archive is called: by leaves, so that the names are in the order of the trail."""
        return f"audit-{self.first_leaf:012d}-{self.end_leaf - 1:012d}.jsonl.gz"


@dataclass(frozen=True)
class Retained:
    """What was done."""

    removed: int
    archive: Path | None = None
    seal: StoredSeal | None = None
    """The seal with the tombstone, whose checkpoint has to be kept outside."""


def expired(snapshot: Snapshot) -> Expired | None:
    """Return what may go: sealed, past its retention period, and older than all that is to be kept; in whole pages.

    Raises `CannotProve` where nothing is sealed.
    """
    last = seal_of(snapshot.seals, None)
    before = snapshot.tombstones.newest()
    retained = snapshot.retention.first_retained()
    ends = [
        LARGEST if retained is None else retained - 1,
        last.last_sequence,
        *(gap.first - 1 for gap in last.open_gaps),
    ]
    first_leaf = before.leaf_count if before else 0
    found = snapshot.tree.division(first_leaf, min(ends))
    return None if found is None else Expired(first_leaf, *found)


def retain(
    trail: OpenTrail,
    signer: SigningKey,
    folder: Path,
    told: Told = lambda *_: None,
    sealed: Callable[[StoredSeal], None] = lambda _: None,
) -> Iterator[Retained]:
    """End the retention period of all that is past it, and yield what was done: first what an earlier run left undone.

    `sealed` is given the seal with the tombstone before anything is removed. Raises `TrailError` and `CannotProve`,
    with what is to be done; `OSError` where the archive cannot be written.
    """
    if (left := _left_undone(trail, folder)) is not None:
        yield Retained(_remove(trail, left, told))
    with trail.reading() as snapshot:
        refuse_other_key(snapshot.seals.last(), signer)
        cut = expired(snapshot)
        if cut is None:
            return
        path = _export(snapshot, cut, folder, lambda done, of: told("exported", done, of))
    seal = _recorded_and_sealed(trail, signer, cut, path)
    sealed(seal)
    yield Retained(_remove(trail, cut.entries, told), path, seal)


def _recorded_and_sealed(trail: OpenTrail, signer: SigningKey, cut: Expired, path: Path) -> StoredSeal:
    """Write that the entries were exported, and seal that with their tombstone.

    Once more where another sealer took that entry first: a tombstone is a line of a seal, and a seal is of entries.
    """
    digest = sha256_of(path)
    for attempt in range(1, _ATTEMPTS + 1):
        append(
            trail,
            event_type="TRAIL_EXPORTED",
            event_category="COMPLIANCE",
            event_description=f"trail exported: entries up to sequence {cut.last_sequence}, to {path.name}",
            security_level="HIGH",
            additional_metadata={
                "first_leaf": cut.first_leaf,
                "end_leaf": cut.end_leaf,
                "archive_sha256": digest.hex(),
            },
        )
        try:
            return seal_tombstone(trail, signer, Tombstone(cut.end_leaf, cut.last_sequence, digest))
        except NothingToSealError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError  # the last attempt returns or raises


def _left_undone(trail: OpenTrail, folder: Path) -> int | None:
    """Return how many entries at the most an earlier run has not removed, whose archive is in the folder."""
    with trail.reading() as snapshot:
        snapshot.retention.require_privilege()
        tombstone = snapshot.tombstones.newest()
        if tombstone is None or not snapshot.entries.exist(tombstone.last_sequence):
            return None
    if not any(sha256_of(each) == tombstone.archive_sha256 for each in sorted(folder.glob("audit-*.jsonl.gz"))):
        raise TrailError(
            f"entries up to sequence {tombstone.last_sequence} have a tombstone and are not removed yet; the archive"
            f" that it names (SHA-256 {tombstone.archive_sha256.hex()}) is not in {folder}: name the folder where it is"
        )
    return tombstone.leaf_count


def _export(snapshot: Snapshot, cut: Expired, folder: Path, told: Exported) -> Path:
    """Write the archive, read it again as a stranger would, and give it its name."""
    if snapshot.entries.count(cut.last_sequence) != cut.entries:
        raise CannotProve(
            f"there are entries up to sequence {cut.last_sequence} that were never sealed, or some are gone:"
            " kms-schema audit verify says which"
        )
    path = folder / cut.name
    seal = seal_of(snapshot.seals, None)
    key = read_key(seal.verifier_key or "")
    if path.exists():
        _refuse_another(path, seal, cut)
    handle, partial = tempfile.mkstemp(prefix=f".{cut.name}.", dir=folder)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123  (a descriptor)
            write_archive(snapshot, file, seal, first_leaf=cut.first_leaf, end_leaf=cut.end_leaf, told=told)
            file.flush()
            os.fsync(file.fileno())
        check_archive.check(Path(partial), [key], origin=seal.origin)
        Path(partial).replace(path)
    except Refused as error:
        raise CannotProve(f"the archive that was written does not hold: {error}; nothing was removed") from None
    finally:
        Path(partial).unlink(missing_ok=True)
    _fsync_folder(folder)
    return path


def _refuse_another(path: Path, seal: StoredSeal, cut: Expired) -> None:
    """Refuse to write over what is not the archive that a run left which ended before its tombstone."""
    try:
        found = check_archive.check(path, [read_key(seal.verifier_key or "")], origin=seal.origin)
        same = (found.first_leaf, found.end_leaf) == (cut.first_leaf, cut.end_leaf)
    except Refused:
        same = False
    if not same:
        raise TrailError(f"{path} is there already, and is not the archive of these entries: name another folder")


def _fsync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(trail: OpenTrail, entries: int, told: Told) -> int:
    """Remove what the newest tombstone is for, a batch a transaction; return how many entries that were."""
    removed = 0
    while True:
        with trail.writing() as transaction:
            batch = transaction.retention.remove()
        if not batch:
            return removed
        removed += batch
        told("removed", removed, entries)
