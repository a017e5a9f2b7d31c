"""Seal what is committed: each entry once, by a tree that only grows and a chain of signed seals.

The seal that the next one continues must hold, or a signature would cover what somebody else put there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kms_schema.audit.formats.encoding import EncodingError, Unreadable, leaf_hash, sequence_of
from kms_schema.audit.formats.gaps import MOST, Gap, Run, bounded, joined, still_open, without
from kms_schema.audit.formats.keys import SigningKey, VerifierKey
from kms_schema.audit.formats.merkle import CompactRange
from kms_schema.audit.formats.seals import NO_SEAL, Tombstone
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.records import SUBTREE_LEVELS, Page, Subtree
from kms_schema.audit.storage.seals import Seals
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import OpenTrail, Transaction


def last_sound_seal(seals: Seals, signer: VerifierKey | None) -> StoredSeal | None:
    """Return the newest seal, or None if nothing is sealed.

    signer: the key that will sign the next seal; None if it will not be signed.

    Raises `TrailError` unless the seal holds: its row is a seal, its signature and compact range belong to its content,
    and it follows the seal before. The newest tombstone is under a seal whose signature covers it. If `signer` did not
    sign it, each earlier change of the key must also be one that the key before announced and signed. Example::

        with open_trail(connection).sealing() as transaction:
            before = last_sound_seal(transaction.seals, key.verifier)
    """
    number = 0
    try:
        if (last := seals.last()) is None:
            return None
        number = last.number
        last.check_signature()
        if CompactRange(last.tree_size, last.subtree_hashes).root() != last.root_hash:
            raise EncodingError("its compact range is not that of its tree", reason="seal")
        if (before := seals.get(number - 1)) is not None:
            _refuse_another(before, last)
        if signer is not None and last.verifier_key != str(signer):
            # Two seals that were put in can lead back to the signer: the first breaks the chain, the second hides it.
            for number in seals.changes_of_key():
                _refuse_unannounced(seals.get(number - 1), seals.get(number))
        if (cut := seals.last_with_tombstone()) is not None:
            number = cut.number
            cut.check_signature()
    except ValueError as error:
        reason = str(error) if str(error).startswith("seal ") else f"seal {number} does not hold: {error}"
        raise TrailError(
            f"{reason}; nothing is sealed after it. The seal or its tombstone was changed or put in. The page"
            ' "audit" of the documentation has the way back: When sealing is refused'
        ) from None
    return last


def _refuse_unannounced(before: StoredSeal | None, seal: StoredSeal | None) -> None:
    if seal is not None:
        seal.check_signature()
        if before is not None:
            _refuse_another(before, seal)


def _refuse_another(before: StoredSeal, last: StoredSeal) -> None:
    if last.previous_seal_hash != before.seal().hash():
        raise EncodingError("it follows another seal than the one that is before it here", reason="seal")
    if before.leads_to not in {None, last.verifier_key}:
        signed = "it is not signed" if last.verifier_key is None else f"it is signed by {last.verifier_key}"
        raise EncodingError(f"{signed}, but the seal before leads to {before.leads_to}", reason="seal")


BATCH = 65_536
"""The most entries of one seal: their hashes are in memory until the seal is written."""
PAGE_LEAVES = 256


@dataclass
class _Growth:
    """The pages and subtrees that a seal adds to the tree."""

    tree: CompactRange
    pages: list[Page] = field(default_factory=list)
    subtrees: list[Subtree] = field(default_factory=list)
    full: bool = False
    """True if there may be more entries than the seal takes."""

    def add(self, entries: Iterable[bytes]) -> None:
        """Add entries, which come by sequence."""
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
        """The number of added leaves."""
        return sum(page.size for page in self.pages)

    @property
    def members(self) -> list[Run]:
        """The added sequences, as runs."""
        return joined(page.run for page in self.pages)


def seal(
    trail: OpenTrail,
    signer: SigningKey | None = None,
    *,
    origin: str | None = None,
    next_key: VerifierKey | None = None,
    batch: int = BATCH,
) -> Iterator[StoredSeal]:
    """Seal the committed entries that no seal covers, and yield each seal when it is committed.

    signer: the key that signs; None makes unsigned seals, which is possible until a seal is signed.
    origin: the name of the trail in its first seal; later seals have the same. By default `kms-schema/` and the id of
    the first entry.
    next_key: the verifier key of the seals to come. One seal announces it, and later calls sign with the new key.
    batch: the most entries of a seal.

    Yields nothing if there is nothing to seal. Raises `TrailError` for an origin that is not the origin of the first
    seal, for a key that the last seal does not lead to, and if the last seal does not hold. An exception, or the end of
    the process, leaves each seal either committed or absent. Example::

        for made in seal(open_trail(connection), read_signing_key(Path("seal.key"))):
            print(made.number, made.checkpoint_text())
    """
    more = True
    while more:
        with trail.sealing() as transaction:
            before = last_sound_seal(transaction.seals, None if signer is None else signer.verifier)
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
    """Seal the entries that no seal covers, together with a tombstone; the database checks the tombstone.

    trail, signer: as for `seal`; a tombstone must be signed. tombstone: names the entries that may be removed.

    Raises `TrailError` as `seal` does, also if there is `nothing_to_seal`: each seal has new entries.
    """
    with trail.sealing() as transaction:
        before = last_sound_seal(transaction.seals, signer.verifier)
        refuse_other_key(before, signer)
        made = _sealed(transaction, before, None, None, BATCH)
        if made is None:
            raise TrailError("every entry is sealed, and a tombstone needs a new seal", reason="nothing_to_seal")
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


def refuse_other_key(before: StoredSeal | None, signer: SigningKey | None) -> None:
    """Raise `TrailError` (`other_signer`) for a key, or none, if another key signs after the seal before."""
    if before is None or before.leads_to is None:
        return
    expected = before.leads_to
    if signer is None:
        raise TrailError(
            f"after seal {before.number} the key {expected} signs: give it with --key, or in KMS_SEAL_KEY",
            reason="other_signer",
        )
    if str(signer.verifier) != expected:
        raise TrailError(
            f"after seal {before.number} the key {expected} signs, but this is {signer.verifier}: give that"
            " key; to change it, announce the new key first, in a seal that it signs, with --next-key",
            reason="other_signer",
        )


def _sealed(
    transaction: Transaction, before: StoredSeal | None, origin: str | None, next_key: VerifierKey | None, batch: int
) -> tuple[_Growth, StoredSeal] | None:
    """Return the additions of a seal, and the seal without its signature; None if there is nothing to seal."""
    if before and origin not in (None, before.origin):
        raise TrailError(
            f"the origin of the trail is {before.origin} since its first seal: leave --origin out",
            reason="other_signer",
        )
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
        # Every transaction of another cluster is over: its committed entries were copied, and this seal takes them.
        open_gaps=_open_gaps(gaps, last, growth, None if moved else horizon.xmin, xmax),
        snapshot_xmax=xmax,
        system_identifier=horizon.system_identifier,
    )


def _open_gaps(
    gaps: Sequence[Gap], last: int, growth: _Growth, over_below: int | None, xmax: int | None
) -> tuple[Gap, ...]:
    """Return the sequences up to the last one taken that a transaction may still commit."""
    if xmax is None:
        return ()  # SQLite: writers take turns, and no sequence is left out
    last_taken = growth.members[-1].last
    open_gaps = still_open(gaps, over_below=over_below, looked_until=last_taken if growth.full else None)
    new = [Gap(last + 1, last_taken, xmax)] if last_taken > last else []
    return tuple(bounded(without([*open_gaps, *new], growth.members), MOST))
