"""Entries that a tombstone names and that are still there: they are removed only if they are what was sealed."""

from kms_schema.audit.formats.encoding import Unreadable, leaf_hash, sequence_of
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.proofs.prover import CannotProveError
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
