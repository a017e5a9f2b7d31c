"""The end of retention periods: export expired entries, seal a tombstone that names them, remove exactly those.

The process can end after any step; the next run continues. Entries are removed only if the archive that their tombstone
names is in the folder, and those of an earlier run only if entries and tombstone are as they were sealed.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.formats.encoding import Unreadable, leaf_hash, sequence_of
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.proofs.prover import CannotProveError, seal_of
from kms_schema.audit.retention.archive import Exported, sha256_of, write_archive
from kms_schema.audit.retention.expiring import Expired, expired
from kms_schema.audit.sealing.sealer import last_sound_seal, refuse_other_key, seal_tombstone
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.standalone.check_audit import Key, Refused, read_key
from kms_schema.audit.storage.append import append
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import OpenTrail, Snapshot
from kms_schema.files.outputs import named_file

PAGES = 256
"""Pages that are read at a time, and their entries: up to 65 536."""


def refuse_forged(snapshot: Snapshot, tombstone: Tombstone, first: int) -> None:
    """Raise `CannotProveError` for an entry under a tombstone whose hash is not its leaf.

    tombstone: the newest. first: the lowest sequence of an entry that is left. Example::

        with open_trail(connection).reading() as snapshot:
            refuse_forged(snapshot, snapshot.tombstones.newest(), snapshot.retention.first_left())
    """
    page = snapshot.tree.page_of_sequence(first)
    after = first - 1 if page is None else page.first_sequence - 1
    while pages := snapshot.tree.pages_by_sequence(after, PAGES):
        after = pages[-1].first_sequence
        under = [each for each in pages if each.whole and each.first_leaf < tombstone.leaf_count]
        leaves = {each.first_sequence + place: leaf for each in under for place, leaf in enumerate(each.leaves)}
        if leaves:
            for entry in snapshot.entries.read(min(leaves), max(leaves)):
                leaf = leaves.get(sequence_of(entry))
                if leaf is not None and (isinstance(entry, Unreadable) or leaf_hash(entry) != leaf):
                    raise CannotProveError(
                        f"the entry with sequence {sequence_of(entry)} is under a tombstone, and is not what was"
                        " sealed: it proves a forgery, and is not removed; kms-schema audit verify reports the rest"
                    )
        if after >= tombstone.last_sequence:
            return


def signed_seal(snapshot: Snapshot, signer: SigningKey) -> StoredSeal:
    """Return the seal of the newest tombstone.

    signer: the key that the last seal leads to. Raises `TrailError` if nothing could be sealed
    after the last seal, and `CannotProveError` for a tombstone under a seal without a signature.
    """
    refuse_other_key(last_sound_seal(snapshot.seals, signer.verifier), signer)
    seal = snapshot.seals.last_with_tombstone()
    if seal is None or seal.signature is None:
        raise CannotProveError(
            "the newest tombstone is under no signed seal: nothing is removed; kms-schema audit verify reports the rest"
        )
    return seal


Progress = Callable[[str, int, int], None]
"""Receives `exported` or `removed`, how many entries are done, and how many there are."""

_ATTEMPTS = 20
"""How often the export is recorded again because another sealer sealed the record first."""


@dataclass(frozen=True)
class Retained:
    """The result of one step of `retain`."""

    removed: int
    """Removed entries."""
    archive: Path | None = None
    """The archive of a new tombstone; None if an earlier run sealed it."""
    seal: StoredSeal | None = None
    """The seal with the tombstone; store its checkpoint outside the database."""


def retain(
    trail: OpenTrail,
    signer: SigningKey,
    folder: Path,
    progress: Progress = lambda *_: None,
    sealed: Callable[[StoredSeal], None] = lambda _: None,
) -> Iterator[Retained]:
    """Archive and remove the expired entries, first the entries that earlier runs left, and yield each step.

    trail: behind a connection of a member of kms_retention and kms_sealer, or to a SQLite file.
    signer: the key that the last seal leads to; a tombstone must be signed.
    folder: where the archives are and go, an existing directory.
    progress: called with `exported` or `removed`, the entries that are done, and all of them.
    sealed: called with the seal of the tombstone before entries are removed, to publish its checkpoint; also with the
    seal of an earlier run, which may have ended before it published.

    Yields nothing if no entry has expired. Raises `TrailError` or `CannotProveError`, whose messages state what to do;
    `OSError` if the archive cannot be written. Example::

        for step in retain(open_trail(connection), read_signing_key(Path("seal.key")), Path("/srv/archive")):
            print(step.removed, step.archive)
    """
    if (left := _left_undone(trail, signer, folder)) is not None:
        sealed(left)
        yield Retained(_remove(trail, left.tombstone_leaf_count or 0, progress), None, left)
    is_last = False
    while not is_last:
        with trail.reading() as snapshot:
            refuse_other_key(snapshot.seals.last(), signer)
            if snapshot.retention.first_left() is not None:
                raise TrailError("another run of retain removes entries: run it again when that one has ended")
            whole = expired(snapshot)
            if whole is None:
                return
            cut = _as_archived(snapshot, whole, folder)
            is_last = cut == whole
            path, digest = _export(snapshot, cut, folder, partial(progress, "exported"))
        seal = _recorded_and_sealed(trail, signer, cut, path.name, digest)
        sealed(seal)
        yield Retained(_remove(trail, cut.entries, progress), path, seal)


def _as_archived(snapshot: Snapshot, cut: Expired, folder: Path) -> Expired:
    """Return the beginning of a cut that is in an archive of a run that ended before its tombstone, else the cut.

    More entries have expired meanwhile. A second archive from the same leaf on would overlap the first for ever. The
    export compares the entries. Raises `TrailError` for an archive that ends where nothing can be cut.
    """
    name = re.compile(rf"audit-{cut.first_leaf:012d}-([0-9]{{12,18}})\.jsonl\.gz")
    named = ((each, name.fullmatch(each.name)) for each in folder.iterdir())
    last = max(((int(match[1]), each) for each, match in named if match), default=None)
    if last is None or last[0] + 1 == cut.end_leaf:
        return cut
    end_leaf, path = last[0] + 1, last[1]
    found = snapshot.tree.last_cut(end_leaf) if cut.first_leaf < end_leaf < cut.end_leaf else None
    if found is None or found[0] != end_leaf:
        raise TrailError(
            f"{path} begins where this archive would, and ends with leaf {last[0]}, up to which no entries can be"
            f" removed now: move it out of {folder}, unless a tombstone names it"
        )
    return Expired(cut.first_leaf, *found)


def _recorded_and_sealed(trail: OpenTrail, signer: SigningKey, cut: Expired, name: str, digest: bytes) -> StoredSeal:
    """Append an entry that records the export, and seal it with the tombstone.

    Repeated if another sealer sealed that entry first: a tombstone is part of a seal, and every seal has new entries.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        append(
            trail,
            event_type="TRAIL_EXPORTED",
            event_category="COMPLIANCE",
            event_description=f"trail exported: entries up to sequence {cut.last_sequence}, to {name}",
            security_level="HIGH",
            additional_metadata={
                "first_leaf": cut.first_leaf,
                "end_leaf": cut.end_leaf,
                "archive_sha256": digest.hex(),
            },
        )
        try:
            return seal_tombstone(trail, signer, Tombstone(cut.end_leaf, cut.last_sequence, digest))
        except TrailError as error:
            if error.reason != "nothing_to_seal" or attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _left_undone(trail: OpenTrail, signer: SigningKey, folder: Path) -> StoredSeal | None:
    """Return the seal whose tombstone names entries that an earlier run left, or None. Their archive is here.

    Raises `CannotProveError` for what is not as it was sealed: what proves a forgery is not removed.
    """
    with trail.reading() as snapshot:
        snapshot.retention.require_privilege()
        tombstone = snapshot.tombstones.newest()
        first = snapshot.retention.first_left()
        if tombstone is None or first is None:
            return None
        seal = signed_seal(snapshot, signer)
        refuse_forged(snapshot, tombstone, first)
    # The newest is the last by name. Only files are read: a pipe never ends.
    archives = (each for each in sorted(folder.glob("audit-*.jsonl.gz"), reverse=True) if each.is_file())
    if not any(sha256_of(each) == tombstone.archive_sha256 for each in archives):
        raise TrailError(
            f"entries up to sequence {tombstone.last_sequence} have a tombstone and are not removed yet; the archive"
            f" that it names (SHA-256 {tombstone.archive_sha256.hex()}) is not in {folder}: name the folder where it is"
        )
    return seal


def _export(snapshot: Snapshot, cut: Expired, folder: Path, progress: Exported) -> tuple[Path, bytes]:
    """Write the archive, verify the file independently, and give it its name; fsync file and directory.

    A file that has the name stays: a tombstone may name it, of a run that was faster. It has to have the same entries.
    """
    seal = seal_of(snapshot.seals, None)
    late = [Gap(gap.first, min(gap.last, cut.last_sequence), gap.xmax) for gap in seal.open_gaps]
    known = snapshot.tree.count_leaves(cut.first_leaf, cut.last_sequence)
    if snapshot.entries.count(cut.last_sequence) != known + snapshot.entries.count_unsealed(LARGEST, late):
        raise CannotProveError(
            f"there are entries up to sequence {cut.last_sequence} that were never sealed, or some are gone:"
            " kms-schema audit verify reports which"
        )
    path = folder / cut.name
    key = read_key(seal.verifier_key or "")
    try:
        with named_file(path) as file:
            write_archive(snapshot, file, seal, range(cut.first_leaf, cut.end_leaf), progress=progress)
            file.flush()
            made = check_audit.check_archive(Path(file.name), [key], origin=seal.origin)
    except FileExistsError:
        return path, _there_already(path, [key, *_keys_before(snapshot)], made).sha256
    except Refused as error:
        raise CannotProveError(f"the new archive does not verify: {error}; nothing was removed") from None
    return path, made.sha256


def _keys_before(snapshot: Snapshot) -> list[Key]:
    """Return the keys that signed before the last one: an earlier run may have written an archive with one of them."""
    seals = (snapshot.seals.get(number) for number in snapshot.seals.changes_of_key())
    return [read_key(each) for each in {seal.verifier_key for seal in seals if seal} if each is not None]


def _there_already(path: Path, keys: list[Key], made: check_audit.Archive) -> check_audit.Archive:
    """Return the archive that has the name. Raises `TrailError` unless it has the same entries as `made`."""
    with suppress(Refused):
        found = (
            check_audit.check_archive(path, keys, origin=made.origin)
            if path.is_file() and not path.is_symlink()
            else None
        )
        if (
            found
            and (found.first_leaf, found.end_leaf) == (made.first_leaf, made.end_leaf)
            and found.roots[found.end_leaf] == made.roots[made.end_leaf]
        ):
            return found
    raise TrailError(f"{path} exists, and is not the archive of these entries: name another folder")


def _remove(trail: OpenTrail, entries: int, progress: Progress) -> int:
    """Remove the entries of the newest tombstone, one batch a transaction; return how many were removed."""
    removed = 0
    while True:
        with trail.writing() as transaction:
            batch = transaction.retention.remove()
        if not batch:
            return removed
        removed += batch
        progress("removed", removed, entries)
