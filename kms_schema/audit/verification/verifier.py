"""Verifies a trail from its contents: every hash is recomputed, and stored hashes are only compared.

The trail is read twice in one snapshot. By sequence, `verify_entries` compares the present entries with the sealed
leaves: each page has consecutive sequences, so both come in the same order. By leaf, `verify_leaves` compares the
leaves with the tree of each seal, the seals with each other, their signatures, and external checkpoints.

Both find rows through indexes, and an index can lack a row that everybody else sees. So the entries in the table are
counted without an index, and every row of the smaller tables is looked up.
"""

from collections.abc import Sequence
from functools import partial

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.records import UNIQUE_KEYS
from kms_schema.audit.storage.seals import Seals
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.audit.verification.ranges import SharedRanges, plan_ranges
from kms_schema.audit.verification.result import Fault, Progress, Tell, VerificationResult
from kms_schema.audit.verification.verify_entries import EntryVerification
from kms_schema.audit.verification.verify_leaves import Expected, LeafVerification
from kms_schema.audit.verification.worker_pool import WorkerPool


def verify(  # noqa: PLR0913  (all but the snapshot are optional, and by name)
    snapshot: Snapshot,
    *,
    checkpoints: Sequence[Checkpoint] = (),
    trusted: Sequence[VerifierKey] = (),
    since: int | None = None,
    progress: Progress | None = None,
    workers: WorkerPool | None = None,
) -> VerificationResult:
    """Verify the trail of one snapshot, and return its counts and every fault.

    checkpoints: checkpoints that were stored outside the database; the tree must agree with each.
    trusted: verifier keys. Every seal must be signed by one of them, or by a key that such a seal announces.
    since: the number of a seal. Its tree is taken as given, and entries that were sealed up to it are not read; the
    chain and the signatures of all seals are verified.
    progress: called with `entries` or `leaves`, the number that is done, and the number of all leaves.
    workers: processes that have the same snapshot, from `open_snapshot`; they verify ranges of the entries. The result
    is that of one process.

    Memory does not grow with the trail. Raises `TrailError` (`cannot_start`) if there is no seal `since` or if a
    checkpoint is older than it, or a worker ends early. Example::

        with open_trail(connection).reading() as snapshot:
            result = verify(snapshot, checkpoints=[read_checkpoint(Path("checkpoint.txt")).checkpoint])
        print(result.sound, result.entries, [fault.message for fault in result.faults])
    """
    result = VerificationResult()
    start = None if since is None else _start(snapshot.seals, since, checkpoints)
    for message in snapshot.unreachable_rows():
        result.add(Fault(message))
    last = snapshot.seals.readable_last()
    total = last.tree_size if last else 0

    def tell(what: str, count: int) -> None:
        if progress:
            progress(what, count, total)

    def verify_leaves(of_leaves: VerificationResult, tell: Tell) -> None:
        LeafVerification(snapshot, of_leaves, Expected(start, checkpoints, trusted), tell).verify()

    entries = EntryVerification(snapshot, result, start, last, tell)
    result.removed += entries.removed
    if workers is None:
        entries.verify(entries.after)
        verify_leaves(result, tell)
        _compare_tables(snapshot, result, entries.begin)
        return result
    of_leaves = VerificationResult()
    jobs = 1 + len(workers.workers)
    ranges = plan_ranges(snapshot.tree, since, entries.after, last.last_sequence if last else 0, jobs)
    of_ranges = SharedRanges(snapshot, ranges, tell).verify(workers, partial(verify_leaves, of_leaves))
    if of_ranges is None:
        entries.verify(entries.after)
    for each in (*(of_ranges or ()), of_leaves):
        result.join(each)
    _compare_tables(snapshot, result, entries.begin)
    return result


def _compare_tables(snapshot: Snapshot, result: VerificationResult, after: int) -> None:
    """Report the rows that the indexes do not find; `result` has the entries above `after`.

    Entries that are read in ascending order are different rows of the table. So they are all if there are as many.
    """
    for entry in snapshot.against_time():
        result.against_time += 1
        result.first_against_time = result.first_against_time or entry
    keys = [(table, key) for table, keys in UNIQUE_KEYS.items() for key in keys]
    counted = snapshot.count_in_table(after)
    if counted == result.read:
        keys.remove(("key_audit_logs", ("sequence",)))
    else:
        message = f"key_audit_logs has {counted} entries in the table, but {result.read} are found by sequence"
        result.add(Fault(f"{message}: the index of the sequences is damaged or forged"))
    for table, key in keys:
        for row in snapshot.not_indexed(table, key):
            result.add(Fault(f"{table} has a row, {row}, that is not in the index of {', '.join(key)}"))


def _start(seals: Seals, number: int, checkpoints: Sequence[Checkpoint]) -> StoredSeal:
    """Return the seal to start from."""
    try:
        start = seals.get(number)
        last = seals.last()
    except EncodingError as error:
        raise TrailError(f"nothing can start from a seal that cannot be read: {error}", reason="cannot_start") from None
    if start is None:
        raise TrailError(
            f"there is no seal {number}: {f'the last is {last.number}' if last else 'nothing is sealed'}",
            reason="cannot_start",
        )
    for checkpoint in checkpoints:
        if checkpoint.origin == start.origin and checkpoint.size < start.tree_size:
            raise TrailError(
                f"the checkpoint of {checkpoint.size} leaves is older than seal {number}, which is over"
                f" {start.tree_size}: start from an older seal, or leave --since out",
                reason="cannot_start",
            )
    return start
