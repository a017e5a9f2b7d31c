#!/usr/bin/env python3
"""Check an archive of the audit trail of kms-schema without the database.

The archive holds if the hashes of its entries lead to its checkpoint. That must be signed by a key that you trust, or
by a successor that a checkpoint announces. With --checkpoint it must agree with the checkpoints that you kept: its own
comes from the owner of the database. With --tombstone, the checkpoint with the tombstone must name this file, and every
entry must have been past its retention period when that checkpoint was signed.

Copies of this file and check_proof.py work alone in one folder: they need Python 3.11 and the package `cryptography`,
and nothing of kms-schema. The page "retention" of its documentation has the format.

exit status: 0 the archive holds, 1 it does not, 2 wrong usage, or a file that cannot be read or written
"""

import base64
import datetime as dt
import hashlib
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

if __package__:
    from kms_schema.audit.standalone import check_proof
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # the file beside it, not an installed package
    import check_proof  # type: ignore[import-not-found,no-redef]

Refused = check_proof.Refused

FORMAT = "kms-schema/audit-archive/v1"
MEMBERS = {"format", "first_leaf", "end_leaf", "before", "consistency", "checkpoint"}
PIECE = 1024 * 1024
"""Bytes to read or decompress at a time."""
INFINITE = (-(2**63), 2**63 - 1)
"""The times that PostgreSQL writes as -infinity and infinity."""
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Archive(NamedTuple):
    """The statements of an archive that holds."""

    origin: str
    first_leaf: int
    end_leaf: int
    last_sequence: int
    kept_until: int
    """The latest end of the retention periods of its entries: microseconds since 2000, or one of `INFINITE`."""
    sha256: bytes
    checkpoint: check_proof.Checkpoint
    roots: dict[int, bytes]
    """The roots of the trees before its first leaf, up to its last, and of the size of each checkpoint."""
    lines: list[str]


class _Tree:
    """A tree to which leaves are added, by the roots of its full subtrees, the largest first."""

    def __init__(self, size: int, hashes: list[bytes]) -> None:
        """Begin with a number of leaves, and the roots of their full subtrees."""
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        if len(levels) != len(hashes):
            raise Refused("before does not have a hash for each full subtree before the first leaf")
        self.size, self._subtrees = size, list(zip(levels, hashes, strict=True))

    def add(self, leaf: bytes) -> None:
        """Add a leaf."""
        level, node = 0, leaf
        while self._subtrees and self._subtrees[-1][0] == level:
            _, left = self._subtrees.pop()
            level, node = level + 1, check_proof.above(left, node)
        self._subtrees.append((level, node))
        self.size += 1

    def root(self) -> bytes:
        """Return its root."""
        if not self._subtrees:
            return hashlib.sha256(b"").digest()
        *rest, (_, root) = self._subtrees
        for _, left in reversed(rest):
            root = check_proof.above(left, root)
        return root


class _Lines:
    """The lines of a compressed file, one at a time in memory, and the hash of the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()
        self._inflate = zlib.decompressobj(wbits=31)  # gzip, one member

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for piece in self._pieces():
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
            if len(rest) > check_proof.LONGEST:
                raise Refused(f"a line is longer than the {check_proof.LONGEST} bytes that an entry can take")
        if rest:
            raise Refused("the last line is incomplete")

    def _pieces(self) -> Iterator[bytes]:
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._read()
            try:
                piece = self._inflate.decompress(data, PIECE)
            except zlib.error:
                raise Refused("this is not a gzip file, or it was damaged") from None
            if not data and not piece:
                raise Refused("the gzip file is incomplete")
            yield piece
        if self._inflate.unused_data or self._read():
            raise Refused("the file has data after the archive")

    def _read(self) -> bytes:
        data = self._file.read(PIECE)
        self.sha256.update(data)
        return data


def check(  # noqa: PLR0913  (all but the file and the keys are optional, and by name)
    path: Path,
    keys: list[check_proof.Key],
    tombstone: str | None = None,
    origin: str | None = None,
    *,
    kept: Sequence[str] = (),
    announced: Sequence[str] = (),
    consistent: Sequence[bytes] = (),
) -> Archive:
    """Return the statements of the archive at `path`. Raises `Refused` if it does not hold, and `OSError`.

    keys: the verifier keys that are trusted. tombstone: the text of a checkpoint that must name this file. origin: the
    trail that the archive must be from. kept: checkpoints that it must agree with. announced: checkpoints that announce
    successors of keys. consistent: consistency proofs between the archive's checkpoint and kept ones.
    """
    with check_proof.open_file(path) as file:
        lines = _Lines(file)
        head = _head(documents := iter(lines))
        keys = check_proof.with_successors(keys, [head["checkpoint"], tombstone, *kept, *announced])
        external = [check_proof.read_checkpoint(note, keys) for note in kept]
        archive = _check(head, documents, keys, external)._replace(sha256=lines.sha256.digest())
    for checkpoint in external:
        _agree(archive, checkpoint, consistent, keys)
    archive.lines.extend([f"checkpoints that you kept and that agree with it: {len(external)}"] if external else ())
    archive.lines.append(f"SHA-256 of the file: {archive.sha256.hex()}")
    if origin is not None and archive.origin != origin:
        raise Refused(f"the archive is of another trail: {json.dumps(archive.origin)}")
    if tombstone is not None:
        archive.lines.append(_check_tombstone(archive, check_proof.read_checkpoint(tombstone, keys)))
    return archive


def _head(lines: Iterator[bytes]) -> dict[str, Any]:
    head = check_proof.read_document(next(lines, b""))
    if not isinstance(head, dict) or head.get("format") != FORMAT or head.keys() != MEMBERS:
        raise Refused(f"the first line does not begin an archive of the format {FORMAT}")
    return head


def _check(head: dict[str, Any], lines: Iterator[bytes], keys: list[check_proof.Key], kept: list[Any]) -> Archive:
    checkpoint = check_proof.read_checkpoint(head["checkpoint"], keys)
    first, end = head["first_leaf"], head["end_leaf"]
    if type(first) is not int or type(end) is not int or not 0 <= first < end <= checkpoint.size:
        raise Refused(f"first_leaf and end_leaf are not of a tree of {checkpoint.size} leaves")
    before, path = (check_proof.hashes_of({"hashes": head[name]}) for name in ("before", "consistency"))
    tree, last, until = _Tree(first, before), 0, INFINITE[0]
    roots = {first: tree.root()} | {each.size: b"" for each in kept if first < each.size <= end}
    for line in lines:
        if tree.size in roots:
            roots[tree.size] = tree.root()
        if tree.size == end:
            raise Refused(f"there are more than {end - first} entries")
        entry = check_proof.read_document(line)
        if type(entry) is not dict or type(entry.get("sequence")) is not int:
            raise Refused("an entry has a sequence")
        tree.add(hashlib.sha256(check_proof.entry_bytes(entry)).digest())
        until = max(until, _kept_until(entry))
        last = max(last, entry["sequence"])
    if tree.size != end:
        raise Refused(f"there are {tree.size - first} entries, not {end - first}")
    root = roots[end] = tree.root()
    if check_proof.roots_from_proof(end, checkpoint.size, path, root) != (root, checkpoint.root):
        raise Refused("the entries are not those of the checkpoint: some were changed, removed or inserted")
    roots[checkpoint.size] = checkpoint.root
    return Archive(checkpoint.origin, first, end, last, until, b"", checkpoint, roots, [
        f"origin {json.dumps(checkpoint.origin)}, {checkpoint.size} entries, root"
        f" {base64.b64encode(checkpoint.root).decode()}, signed by {json.dumps(checkpoint.signer)}",
        f"the {end - first} entries of leaves {first} to {end - 1}, the last with sequence {last}",
        f"the last of them was to be kept until {_in_words(until)}",
        *([f"leaves 0 to {first - 1} are not in it: check_archives.py checks all archives together"] if first else ()),
    ])  # fmt: skip


def _kept_until(entry: dict[str, Any]) -> int:
    """Return the end of its retention period, in microseconds since 2000 or one of `INFINITE`."""
    time, days = _microseconds(entry["timestamp"]), entry["retention_period_days"]
    if time is None or type(days) is not int:
        raise Refused(f"the entry with sequence {entry['sequence']} has no valid end of its retention period")
    return time if time in INFINITE else time + days * 86_400_000_000


def _microseconds(time: Any) -> int | None:
    """Return a time in microseconds since 2000, None if it is not one."""
    try:
        return int(struct.unpack(">q", check_proof.field_bytes("time", time))[0])
    except (ValueError, TypeError, struct.error, OverflowError):
        return None


def _in_words(time: int) -> str:
    try:
        return (EPOCH + dt.timedelta(microseconds=time)).isoformat()
    except OverflowError:
        return "infinity" if time == INFINITE[1] else f"{time} microseconds after {EPOCH.isoformat()}"


def _agree(archive: Archive, kept: check_proof.Checkpoint, proofs: Sequence[bytes], keys: list[Any]) -> None:
    """Compare an archive with a checkpoint that was kept, if need be through a consistency proof."""
    if kept.origin != archive.origin:
        raise Refused(f"a checkpoint that you kept is of another trail: {json.dumps(kept.origin)}")
    if kept.size in archive.roots:
        if archive.roots[kept.size] != kept.root:
            raise Refused(f"the checkpoint of {kept.size} entries that you kept has another root: they were rewritten")
        return
    wanted = {(each.origin, each.size, each.root) for each in (kept, archive.checkpoint)}
    for proof in proofs:
        check_proof.check(proof, keys)
        notes = [note for name, note in check_proof.read_document(proof).items() if name.endswith("_checkpoint")]
        both = [check_proof.read_checkpoint(note, keys) for note in notes]
        if {(each.origin, each.size, each.root) for each in both} == wanted:
            return
    raise Refused(
        f"the archive alone does not show that its checkpoint of {archive.checkpoint.size} entries and that of"
        f" {kept.size} agree: ask for a proof by kms-schema audit consistency, and give it with --consistency"
    )


def _check_tombstone(archive: Archive, seal: check_proof.Checkpoint) -> str:
    """Compare an archive with the tombstone of a seal, which states that its entries were removed."""
    digest = base64.b64encode(archive.sha256).decode()
    lines = seal.text.split("\n")
    if len(lines) < 5 or f"tombstone {archive.end_leaf} {archive.last_sequence} {digest}" not in lines:
        raise Refused("the tombstone is not about this file")
    match = re.fullmatch(r"time (\S+)", lines[3])  # a line before it, such as the origin, may look the same
    if seal.origin != archive.origin or match is None:
        raise Refused("the tombstone is of another trail")
    signed = _microseconds(match[1])
    if signed is None:
        raise Refused("the tombstone has no time")
    if signed < archive.kept_until:
        raise Refused(f"the tombstone was signed at {match[1]}, before the last entry was past its retention period")
    return f"removed under the tombstone of {match[1]}, signed by {json.dumps(seal.signer)}"


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = check_proof.Parser(description=__doc__.rpartition("\n\n")[0], epilog=__doc__.rpartition("\n\n")[2])
    parser.add_argument("archive", type=Path, help="the compressed JSON lines")
    check_proof.add_options(parser, "archive")
    parser.add_argument(
        "--checkpoint", type=Path, action="append", default=[], metavar="FILE",
        help="an external checkpoint that the archive must agree with; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--consistency", type=Path, action="append", default=[], metavar="FILE",
        help="a consistency proof between such a checkpoint and that of the archive; repeatable",
    )  # fmt: skip
    parser.add_argument("--tombstone", type=Path, metavar="FILE", help="the checkpoint of the seal with the tombstone")
    options = parser.parse_args(arguments)
    try:
        keys, announced = check_proof.keys_of(parser, options)
        kept = [check_proof.read_file(each).decode() for each in options.checkpoint]
        consistent = [check_proof.read_file(each) for each in options.consistency]
        tombstone = check_proof.read_file(options.tombstone).decode() if options.tombstone else None
    except (OSError, UnicodeError, Refused) as error:
        parser.error(str(error))
    try:
        archive = check(
            options.archive, keys, tombstone, options.origin, kept=kept, announced=announced, consistent=consistent
        )
    except OSError as error:
        parser.error(str(error))
    except Refused as error:
        print(f"REFUSED: {error}")
        return 1
    print("\n".join(archive.lines))
    print("the archive holds")
    return 0


if __name__ == "__main__":
    sys.exit(check_proof.run(main))
