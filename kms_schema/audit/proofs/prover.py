"""Proofs from the database: an entry is in the tree of a seal, or one tree is an extension of another.

A proof reads the stored subtrees of 256, 65 536, … leaves, and the pages of leaves beside its path, and nothing else.
"""

import uuid

from kms_schema.audit.formats.checkpoints import Checkpoint, ExternalCheckpoint
from kms_schema.audit.formats.encoding import Bytes, EncodingError, identity, leaf_hash
from kms_schema.audit.formats.merkle import (
    CompactRange,
    ProofError,
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from kms_schema.audit.formats.notes import Note
from kms_schema.audit.formats.proof_documents import consistency_document, inclusion_document
from kms_schema.audit.storage.seals import Seals
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.audit.storage.tree import Tree
from kms_schema.errors import KmsSchemaError

_STEP = 8
"""Levels between stored subtrees."""


class CannotProveError(KmsSchemaError):
    """There is no such proof; the message states why."""


class Nodes:
    """The hashes of the full subtrees: `Nodes(snapshot.tree)(level, index)`."""

    def __init__(self, tree: Tree) -> None:
        """Read from the tree of one snapshot."""
        self._tree = tree

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of a node, from hashes stored at most seven levels below. Raises `CannotProveError`."""
        below = level % _STEP
        stored = level - below
        first, last = index << below, (index + 1 << below) - 1
        hashes = self._subtrees(stored, first, last) if stored else self._leaves(first, last)
        if len(hashes) != last - first + 1:
            raise CannotProveError("hashes of the tree are missing: kms-schema audit verify reports which")
        tree = CompactRange()
        tree.extend(b"".join(hashes))
        return tree.root()

    def _subtrees(self, level: int, first: int, last: int) -> list[bytes]:
        return [each.hash for each in self._tree.subtrees_at(level, first, last)]

    def _leaves(self, first: int, last: int) -> list[bytes]:
        pages = self._tree.pages_over(first, last)
        if not pages:
            return []
        leaves = [leaf for page in pages for leaf in page.leaves]
        begin = pages[0].first_leaf
        return leaves[first - begin : last + 1 - begin]


def seal_of(seals: Seals, number: int | None) -> StoredSeal:
    """Return the seal of a number, the newest for None. Raises `CannotProveError` if it does not exist."""
    last = seals.last()
    if last is None:
        raise CannotProveError("nothing is sealed yet; run: kms-schema audit seal")
    found = last if number is None else seals.get(number)
    if found is None:
        raise CannotProveError(f"there is no seal {number}: the last is {last.number}")
    return found


def prove_inclusion(snapshot: Snapshot, entry: uuid.UUID | int, seal: int | None = None) -> str:
    """Return a JSON document that proves that an entry is in the tree of a seal.

    entry: its id, or its sequence. seal: the number of a seal; None for the newest.

    Raises `CannotProveError` if there is no such entry or seal, if the entry is unsealed or was sealed later, or if the
    seal is not signed. It is also raised if the entry was changed after it was sealed, or if JSON cannot express it.
    Raises `EncodingError` for invalid rows. The page "audit" of the documentation describes
    the document. Example::

        with open_trail(connection).reading() as snapshot:
            Path("proof.json").write_text(prove_inclusion(snapshot, 4711))
    """
    sealed = seal_of(snapshot.seals, seal)
    sequence = entry if isinstance(entry, int) else snapshot.entries.sequence_of(entry)
    content = [] if sequence is None else [bytes(each) for each in snapshot.entries.read(sequence, sequence)]
    if not content or sequence is None:
        raise _missing(snapshot, entry, sequence)
    page = snapshot.tree.page_of_sequence(sequence)
    if page is None:
        raise CannotProveError(f"entry {entry} is unsealed; run: kms-schema audit seal")
    index = page.first_leaf + sequence - page.first_sequence
    if index >= sealed.tree_size:
        raise CannotProveError(
            f"entry {entry} was sealed after seal {sealed.number}; name a later seal, or leave the seal out"
        )
    path = inclusion_proof(index, sealed.tree_size, Nodes(snapshot.tree))
    try:
        verify_inclusion(index, sealed.tree_size, leaf_hash(content[0]), path, sealed.root_hash)
    except ProofError:
        raise CannotProveError(
            f"entry {entry} is not the one that seal {sealed.number} covers: kms-schema audit verify reports the change"
        ) from None
    note = _signed(sealed.note(), f"seal {sealed.number}")
    try:
        return inclusion_document(content[0], index, path, note)
    except EncodingError as error:
        raise not_in_json(content[0], error) from None


def not_in_json(entry: Bytes, error: EncodingError) -> CannotProveError:
    """Return the error for an entry whose text is not UTF-8."""
    entry_id, sequence = identity(entry)
    return CannotProveError(
        f"entry {entry_id} (sequence {sequence}) cannot be written as JSON: {error}; no client can insert it: it was"
        " written past the guard triggers, and kms-schema audit verify names it"
    )


def _missing(snapshot: Snapshot, entry: uuid.UUID | int, sequence: int | None) -> CannotProveError:
    removed = snapshot.tombstones.newest()
    page = None if sequence is None else snapshot.tree.page_of_sequence(sequence)
    if removed and page and page.first_leaf < removed.leaf_count:
        return CannotProveError(f"entry {entry} is past its retention period and was removed: it is in an archive")
    return CannotProveError(
        f"there is no entry {entry}, or this role may not see it; kms-schema audit list shows the entries"
    )


def prove_consistency(snapshot: Snapshot, old: ExternalCheckpoint | int, new: ExternalCheckpoint | int) -> str:
    """Return a JSON document that proves that the tree of `new` extends the tree of `old`.

    old, new: the number of a seal, or an external checkpoint.

    Raises `CannotProveError` if there is no such seal, if a checkpoint is of another trail or not signed, or if the
    trees disagree with each other or with the trail. Example::

        old = read_checkpoint(Path("checkpoint.txt"))
        with open_trail(connection).reading() as snapshot:
            document = prove_consistency(snapshot, old, 12)
    """
    last = seal_of(snapshot.seals, None)
    (first, first_note), (second, second_note) = (_checkpoint(snapshot.seals, each) for each in (old, new))
    if not first.origin == second.origin == last.origin:
        raise CannotProveError(
            f"this trail is {last.origin}, but the checkpoints are of {first.origin} and {second.origin}"
        )
    if first.size > second.size:
        raise CannotProveError(
            f"the old tree has {first.size} leaves, but the new one has {second.size}: name the older first"
        )
    if second.size > last.tree_size:
        raise CannotProveError(
            f"a checkpoint is of {second.size} leaves, but the trail has {last.tree_size}: it was cut"
        )
    path = consistency_proof(first.size, second.size, Nodes(snapshot.tree))
    try:
        verify_consistency(first.size, first.root, second.size, second.root, path)
    except ProofError as error:
        raise CannotProveError(f"the new tree is not an extension of the old one: {error}") from None
    return consistency_document(first_note, second_note, path)


def _checkpoint(seals: Seals, given: ExternalCheckpoint | int) -> tuple[Checkpoint, Note]:
    if isinstance(given, int):
        sealed = seal_of(seals, given)
        return sealed.seal().checkpoint(), _signed(sealed.note(), f"seal {given}")
    return given.checkpoint, _signed(given.note, f"the checkpoint of {given.checkpoint.size} leaves")


def _signed(note: Note, what: str) -> Note:
    if not note.signatures:
        raise CannotProveError(f"{what} is not signed, so it proves nothing: seal with --key, or name another")
    return note
