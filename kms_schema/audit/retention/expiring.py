"""The entries that are past their retention period; apart from their removal, which reports do not load."""

from dataclasses import dataclass

from kms_schema.audit.proofs.prover import seal_of
from kms_schema.audit.storage.transactions import Snapshot


@dataclass(frozen=True)
class Expired:
    """The oldest entries by their leaves: sealed, past their retention period, and in no archive yet."""

    first_leaf: int
    end_leaf: int
    last_sequence: int
    """The highest sequence of these leaves and those before; entries below it that were sealed later are not in it."""

    @property
    def entries(self) -> int:
        """The number of entries."""
        return self.end_leaf - self.first_leaf

    @property
    def name(self) -> str:
        """The file name of the archive: it names the leaves, so that archives sort in the order of the trail."""
        return f"audit-{self.first_leaf:012d}-{self.end_leaf - 1:012d}.jsonl.gz"


def expired(snapshot: Snapshot) -> Expired | None:
    """Return the entries that `retain` would remove, None if no entry has expired.

    They are the leaves of whole pages before the first page with an entry that is retained, by the database's clock,
    and end with the highest sequence. Entries with lower sequences that were sealed later, or are not sealed yet, stay:
    no transaction that is open over a seal holds the others. Raises `CannotProveError` if nothing is sealed.
    """
    last = seal_of(snapshot.seals, None)
    before = snapshot.tombstones.newest()
    first_leaf = before.leaf_count if before else 0
    retained = snapshot.retention.first_retained(first_leaf)
    found = snapshot.tree.last_cut(last.tree_size if retained is None else min(retained, last.tree_size))
    return None if found is None or found[0] <= first_leaf else Expired(first_leaf, *found)
