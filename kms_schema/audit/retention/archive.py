"""Archives: entries as compressed JSON lines, with a proof that they belong to the tree of a checkpoint.

The first line states which leaves follow, the other lines are entries in the order of the tree. One proof covers all of
them: the leaves extend the tree before the first to the tree after the last, and a consistency proof leads from that to
the checkpoint. `check_audit.py` verifies an archive without the database; the page "retention" of the documentation
has the format.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from kms_schema.audit.formats.encoding import EncodingError, Unreadable, columns, leaf_hash, sequence_of
from kms_schema.audit.formats.merkle import consistency_proof
from kms_schema.audit.formats.texts import to_base64
from kms_schema.audit.proofs.prover import CannotProveError, Nodes, not_in_json
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.storage.entries import Entries
from kms_schema.audit.storage.records import Page
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.files.inputs import open_regular

FORMAT = "kms-schema/audit-archive/v1"
PAGES = 256
"""Pages that are read at a time, and their entries: up to 65 536."""
NEAR = 256
"""The most sequences between two pages that are read in one query: entries that were sealed elsewhere are left out."""

Exported = Callable[[int, int], None]
"""Receives how many leaves are exported, and how many there are."""


def write_archive(
    snapshot: Snapshot, file: BinaryIO, seal: StoredSeal, leaves: range, *, progress: Exported = lambda *_: None
) -> None:
    """Write the entries of `leaves` to a binary file, with the proof that they belong to the tree of `seal`.

    leaves: places in the tree, from 0; they begin and end with a page of `key_audit_leaves`. The bytes of the file
    depend on the leaves and the seal alone. progress: called with the leaves that are written, and all leaves.

    Raises `CannotProveError` if the seal is not signed, or if an entry is missing, is not the one that was sealed, or
    has no line that `check_audit.py` reads. An archive never contains a forged entry. Example::

        with Path("audit.jsonl.gz").open("xb") as file:
            write_archive(snapshot, file, seal, range(seal.tree_size))
    """
    first_leaf, end_leaf = leaves.start, leaves.stop
    note = seal.note()
    if not note.signatures:
        raise CannotProveError(f"seal {seal.number} is not signed, so an archive would prove nothing: seal with --key")
    nodes = Nodes(snapshot.tree)
    head = {
        "format": FORMAT,
        "first_leaf": first_leaf,
        "end_leaf": end_leaf,
        "before": [to_base64(each) for each in _compact_range(nodes, first_leaf)],
        "consistency": [to_base64(each) for each in consistency_proof(end_leaf, seal.tree_size, nodes)],
        "checkpoint": str(note),
    }
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
        compressed.write(_line(head, f"the proof of seal {seal.number}"))
        for entry in _sealed_entries(snapshot, first_leaf, end_leaf, progress):
            compressed.write(_entry_line(entry))


def sha256_of(path: Path) -> bytes:
    """Return the SHA-256 of a file, 32 bytes. Raises `OSError`."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


def _entry_line(entry: bytes) -> bytes:
    try:
        document = columns(entry)
    except EncodingError as error:
        raise not_in_json(entry, error) from None
    return _line(document, f"entry {document['id']} (sequence {document['sequence']})")


def _line(document: object, what: str) -> bytes:
    line = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    if len(line) > check_audit.LONGEST:
        raise CannotProveError(
            f"{what} takes {len(line)} bytes, and a line of an archive has at most {check_audit.LONGEST}: nothing is"
            " exported, since no checker would read it"
        )
    return line


def _compact_range(nodes: Nodes, size: int) -> list[bytes]:
    """Return the roots of the full subtrees of the first `size` leaves, the largest first."""
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    return [nodes(level, (size >> level) - 1) for level in levels]


def _sealed_entries(snapshot: Snapshot, first_leaf: int, end_leaf: int, progress: Exported) -> Iterator[bytes]:
    """Yield the entries of leaves in the order of the tree, each compared with its leaf."""
    leaf = first_leaf
    while leaf < end_leaf:
        pages = [page for page in snapshot.tree.pages(leaf, PAGES) if page.first_leaf < end_leaf]
        if not pages or pages[0].first_leaf != leaf or not all(page.whole for page in pages):
            raise CannotProveError(
                f"the leaves from {leaf} on cannot be read: kms-schema audit verify reports the faults"
            )
        for group in _near(pages):
            yield from _of_pages(snapshot.entries, group)
        leaf = pages[-1].first_leaf + pages[-1].size
        progress(leaf - first_leaf, end_leaf - first_leaf)
    if leaf != end_leaf:
        raise CannotProveError(f"no page of leaves ends with leaf {end_leaf - 1}: an archive has whole pages")


def _near(pages: list[Page]) -> Iterator[list[Page]]:
    """Yield pages in groups whose sequences ascend without long gaps, to be read together.

    Each late entry ends a page: a query for each page would be a query for each entry where many come late.
    """
    group = [pages[0]]
    for page in pages[1:]:
        between = page.first_sequence - group[-1].run.last - 1
        if not 0 <= between <= NEAR or page.first_leaf != group[-1].first_leaf + group[-1].size:
            yield group
            group = []
        group.append(page)
    yield group


def _of_pages(log: Entries, pages: list[Page]) -> Iterator[bytes]:
    entries = log.read(pages[0].first_sequence, pages[-1].run.last)
    entry = next(entries, None)
    for page in pages:
        for sequence, leaf in enumerate(page.leaves, page.first_sequence):
            while entry is not None and sequence_of(entry) < sequence:
                entry = next(entries, None)
            if entry is None or isinstance(entry, Unreadable) or sequence_of(entry) != sequence:
                raise CannotProveError(
                    f"the entry with sequence {sequence} is gone, unreadable, or hidden from this role"
                )
            if leaf_hash(entry) != leaf:
                raise CannotProveError(
                    f"the entry with sequence {sequence} is not what was sealed:"
                    " kms-schema audit verify reports the rest"
                )
            yield entry
            # Read to the end after the last leaf: the connection takes no other statement while a COPY is read.
            entry = next(entries, None)
