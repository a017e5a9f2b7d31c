"""Seal what is committed: each entry once, by a tree that only grows and a chain of signed seals."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kms_schema.audit.formats.encoding import Unreadable, leaf_hash, sequence_of
from kms_schema.audit.formats.gaps import Gap, Run, joined, still_open, without
from kms_schema.audit.formats.keys import SigningKey, VerifierKey
from kms_schema.audit.formats.merkle import CompactRange
from kms_schema.audit.formats.seals import NO_SEAL, SealError, Tombstone
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.protocols import SealReader
from kms_schema.audit.storage.records import SUBTREE_LEVELS, Page, Subtree
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import OpenTrail, SealingTransaction

BATCH = 65_536
"""The most entries of one seal: what is kept in memory until it is written."""
PAGE_LEAVES = 256


class NothingToSealError(TrailError):
    """Another sealer was there first: every entry is sealed already."""


@dataclass
class _Growth:
    """What a seal adds to the tree."""

    tree: CompactRange
    pages: list[Page] = field(default_factory=list)
    subtrees: list[Subtree] = field(default_factory=list)
    full: bool = False
    """Whether there may be more than was taken."""

    def add(self, entries: Iterable[bytes]) -> None:
        """Append entries, which come by sequence."""
        first_sequence = previous = 0
        hashes = bytearray()
        for entry in entries:
            if isinstance(entry, Unreadable):
                raise TrailError(f"the entry with sequence {sequence_of(entry)} cannot be sealed: {entry.why}")
            sequence = sequence_of(entry)
            if hashes and (sequence != previous + 1 or len(hashes) == 32 * PAGE_LEAVES):
                self._end_page(first_sequence, hashes)
                hashes.clear()
            if not hashes:
                first_sequence = sequence
            hashes += leaf_hash(entry)
            previous = sequence
        if hashes:
            self._end_page(first_sequence, hashes)

    def _end_page(self, first_sequence: int, hashes: bytearray) -> None:
        page = Page(self.tree.size, first_sequence, bytes(hashes))
        self.pages.append(page)
        self.tree.extend(page.hashes, self._keep, SUBTREE_LEVELS)

    def _keep(self, level: int, position: int, subtree: bytes) -> None:
        self.subtrees.append(Subtree(level, position, subtree))

    @property
    def leaves(self) -> int:
        """How many were added."""
        return sum(page.size for page in self.pages)

    @property
    def members(self) -> list[Run]:
        """The sequences that were added, as runs."""
        return joined(page.run for page in self.pages)


def seal(
    trail: OpenTrail,
    signer: SigningKey | None = None,
    *,
    origin: str | None = None,
    next_key: VerifierKey | None = None,
    batch: int = BATCH,
) -> Iterator[StoredSeal]:
    """Seal what is committed and not sealed yet, at most `batch` entries a seal, and yield each seal when it is kept.

    Nothing is yielded where there is nothing to seal. `origin` names the trail in its first seal; later ones have the
    same. `next_key` is a verifier key, announced as that of the seals to come: one seal is made, and the next run signs
    with the new key. Raises `TrailError` for another origin, and for a key that no earlier seal leads to. An exception,
    or the end of the process, leaves each seal whole or not there.
    """
    more = True
    while more:
        with trail.sealing() as transaction:
            before = _last_seal(transaction.seals)
            refuse_other_key(before, signer)
            made = _sealed(transaction, before, origin, next_key, batch)
            if made is None:
                return
            growth, sealed = made
            if signer is not None:
                sealed = sealed.signed_by(signer)
            transaction.seals.append(sealed, growth.pages, growth.subtrees)
        yield sealed
        more = growth.full and next_key is None


def seal_tombstone(trail: OpenTrail, signer: SigningKey, tombstone: Tombstone) -> StoredSeal:
    """Seal what is not sealed yet, with a tombstone; the database looks at whether there may be such a one.

    Raises `TrailError` as `seal` does, and `NothingToSealError` where there is nothing to seal: a tree has one seal.
    """
    with trail.sealing() as transaction:
        before = _last_seal(transaction.seals)
        refuse_other_key(before, signer)
        made = _sealed(transaction, before, None, None, BATCH)
        if made is None:
            raise NothingToSealError("there is no entry that is not sealed yet, and a tombstone comes with a seal")
        growth, sealed = made
        sealed = replace(
            sealed,
            tombstone_leaf_count=tombstone.leaf_count,
            tombstone_last_sequence=tombstone.last_sequence,
            archive_sha256=tombstone.archive_sha256,
        ).signed_by(signer)
        transaction.seals.append(sealed, growth.pages, growth.subtrees)
        transaction.tombstones.write(sealed.number, tombstone)
    return sealed


def _last_seal(seals: SealReader) -> StoredSeal | None:
    try:
        return seals.last()
    except SealError as error:
        raise TrailError(f"{error}; nothing is sealed after it. kms-schema audit verify says what is wrong") from None


def refuse_other_key(before: StoredSeal | None, signer: SigningKey | None) -> None:
    """Refuse a key, or none, where the seal before was signed with another and has not announced this one."""
    if before is None or before.leads_to is None:
        return
    expected = before.leads_to
    if signer is None:
        raise TrailError(f"seal {before.number} leads to the key {expected}: give it with --key, or in KMS_SEAL_KEY")
    if str(signer.verifier) != expected:
        raise TrailError(
            f"seal {before.number} leads to the key {expected}, and this is {signer.verifier};"
            " announce a new key first, in a seal that the old one signs: --next-key"
        )


def _sealed(
    transaction: SealingTransaction,
    before: StoredSeal | None,
    origin: str | None,
    next_key: VerifierKey | None,
    batch: int,
) -> tuple[_Growth, StoredSeal] | None:
    """Return what a seal adds, and the seal without its signature; None where there is nothing to seal."""
    if before and origin not in (None, before.origin):
        raise TrailError(f"the trail is called {before.origin}, and keeps that name; leave --origin out")
    last, gaps = (before.last_sequence, before.open_gaps) if before else (0, ())
    growth = _Growth(CompactRange(before.tree_size, before.subtree_hashes) if before else CompactRange())
    horizon = transaction.horizon()
    growth.add(transaction.entries.unsealed(last, gaps, batch))
    if not growth.pages:
        return None
    xmax = transaction.transaction_id()
    growth.full = growth.leaves == batch
    moved = before is not None and before.system_identifier != horizon.system_identifier
    return growth, StoredSeal(
        number=before.number + 1 if before else 1,
        origin=before.origin if before else origin or f"kms-schema/{transaction.entries.first_id()}",
        sealed_at=transaction.now(),
        tree_size=growth.tree.size,
        root_hash=growth.tree.root(),
        previous_seal_hash=before.seal().hash() if before else NO_SEAL,
        verifier_key=None,
        signature=None,
        next_key=None if next_key is None else str(next_key),
        compact_range=b"".join(growth.tree.hashes),
        last_sequence=max(last, growth.members[-1].last),
        # A transaction of another cluster is over: what it committed came along, and is taken now.
        open_gaps=_open_gaps(gaps, last, growth, None if moved else horizon.xmin, xmax),
        snapshot_xmax=xmax,
        system_identifier=horizon.system_identifier,
    )


def _open_gaps(
    gaps: Sequence[Gap], last: int, growth: _Growth, over_below: int | None, xmax: int | None
) -> tuple[Gap, ...]:
    """Return which sequences up to the last one taken may still come."""
    if xmax is None:
        return ()  # SQLite: writers take turns, and none leaves a number out
    last_taken = growth.members[-1].last
    kept = still_open(gaps, over_below=over_below, looked_until=last_taken if growth.full else None)
    fresh = [Gap(last + 1, last_taken, xmax)] if last_taken > last else []
    return tuple(without([*kept, *fresh], growth.members))
