"""The rest of an earlier run: entries under its tombstone are removed only if both are as they were sealed."""

from kms_schema.audit.formats.encoding import Unreadable, leaf_hash, sequence_of
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.proofs.prover import CannotProveError
from kms_schema.audit.sealing.last_seal import last_sound_seal
from kms_schema.audit.sealing.sealer import refuse_other_key
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot

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
