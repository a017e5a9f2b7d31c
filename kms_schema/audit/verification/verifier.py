"""Verify a trail from its content: every hash is made anew, and what is stored is only compared with.

Two walks in one snapshot. By sequence: entries as they are now against the leaves that were sealed; each page is a run
of consecutive sequences, so both come in the same order. By leaf: the leaves against the tree of each seal, the seals
against each other, their signatures, and checkpoints that were kept elsewhere.
"""

from collections.abc import Sequence
from functools import partial

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.formats.seals import SealError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.trail import Trail, TrailError, readable_last_seal
from kms_schema.audit.verification.ranges import Shared, planned
from kms_schema.audit.verification.result import Fault, Progress, Verdict
from kms_schema.audit.verification.verify_entries import EntriesWalk, Tell
from kms_schema.audit.verification.verify_leaves import TreeWalk

__all__ = ["Fault", "Progress", "Verdict", "verify"]


def verify(
    trail: Trail,
    *,
    checkpoints: Sequence[Checkpoint] = (),
    trusted: Sequence[VerifierKey] = (),
    since: int | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Verify the trail behind one snapshot, and return everything that is wrong with it.

    `checkpoints` were kept elsewhere: the tree must lead to each. With `trusted` verifier keys, every seal must be
    signed by one of them, or by a key that such a seal announces. `since` is the number of a seal: the tree goes on
    from what that seal says of it, and entries sealed up to then are not looked at; chain and signatures are, of all
    seals. Memory does not grow with the trail. Where the snapshot was opened for several jobs, so many processes verify
    it, and find what one would. Raises `TrailError` where there is no such seal, or a checkpoint is
    older than it, or one of these processes ended in the midst.
    """
    verdict = Verdict()
    start = None if since is None else _start(trail, since, checkpoints)
    for table, count in trail.strays():
        verdict.add(Fault(f"{table} has rows without a number that is in order: {count}"))
    last = readable_last_seal(trail)
    total = last.tree_size if last else 0

    def tell(what: str, count: int) -> None:
        if progress:
            progress(what, count, total)

    def walk_tree(of_tree: Verdict, tell: Tell) -> None:
        TreeWalk(trail, of_tree, start, tell, checkpoints=checkpoints, trusted=trusted).walk()

    entries = EntriesWalk(trail, verdict, start, last, tell)
    verdict.removed += entries.removed
    if trail.others is None:
        entries.walk(entries.after)
        walk_tree(verdict, tell)
        return verdict
    of_tree = Verdict()
    jobs = 1 + len(trail.others.each)
    shared = Shared(trail, planned(trail, since, entries.after, last.last_sequence if last else 0, jobs), tell)
    found = shared.verify(trail.others, partial(walk_tree, of_tree))
    if found is None:
        entries.walk(entries.after)
    for each in (*(found or ()), of_tree):
        verdict.join(each)
    return verdict


def _start(trail: Trail, number: int, checkpoints: Sequence[Checkpoint]) -> StoredSeal:
    """Return the seal to start from."""
    try:
        start = trail.seal(number)
        last = trail.last_seal()
    except SealError as error:
        raise TrailError(f"nothing can start from a seal that cannot be read: {error}") from None
    if start is None:
        raise TrailError(f"there is no seal {number}: {f'the last is {last.number}' if last else 'nothing is sealed'}")
    for checkpoint in checkpoints:
        if checkpoint.size < start.tree_size:
            raise TrailError(
                f"the checkpoint of {checkpoint.size} leaves is older than seal {number}, which is over"
                f" {start.tree_size}: start from an older seal, or leave --since out"
            )
    return start
