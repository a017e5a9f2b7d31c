"""Verify a trail from its content: every hash is made anew, and what is stored is only compared with.

Two walks in one snapshot. By sequence: entries as they are now against the leaves that were sealed; each page is a run
of consecutive sequences, so both come in the same order. By leaf: the leaves against the tree of each seal, the seals
against each other, their signatures, and checkpoints that were kept elsewhere.
"""

from collections.abc import Sequence

from kms_schema.audit.checkpoints import Checkpoint
from kms_schema.audit.entries_walk import EntriesWalk
from kms_schema.audit.kept import KeptSeal
from kms_schema.audit.keys import VerifierKey
from kms_schema.audit.seals import SealError
from kms_schema.audit.trail import Trail, TrailError
from kms_schema.audit.tree_walk import TreeWalk
from kms_schema.audit.verdict import Fault, Progress, Verdict

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
    seals. Memory does not grow with the trail. Raises `TrailError` where there is no such seal, or a checkpoint is
    older than it.
    """
    verdict = Verdict()
    start = None if since is None else _start(trail, since, checkpoints)
    for table, count in trail.strays():
        verdict.add(Fault(f"{table} has rows without a number that is in order: {count}"))
    try:
        last = trail.last_seal()
    except SealError:
        last = None  # the walk by leaf says so
    total = last.tree_size if last else 0

    def tell(what: str, count: int) -> None:
        if progress:
            progress(what, count, total)

    EntriesWalk(trail, verdict, start, last, tell).walk()
    TreeWalk(trail, verdict, start, tell, checkpoints=checkpoints, trusted=trusted).walk()
    return verdict


def _start(trail: Trail, number: int, checkpoints: Sequence[Checkpoint]) -> KeptSeal:
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
