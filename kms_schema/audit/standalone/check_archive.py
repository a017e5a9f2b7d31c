#!/usr/bin/env python3
"""Check an archive of the audit trail of kms-schema without the database.

The archive holds if the hashes of its entries lead to its checkpoint, which must be signed by a key that you trust.
With --tombstone, the checkpoint with the tombstone must name this file, and every entry must have been past its
retention period when that checkpoint was signed.

Copies of this file and check_proof.py work alone in one folder: they need Python 3.11 and the package `cryptography`,
and nothing of kms-schema. docs/retention.md of kms-schema describes the format.

exit status: 0 the archive holds, 1 it does not, 2 wrong usage or a file that cannot be read
"""

import argparse
import base64
import datetime as dt
import hashlib
import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

try:
    from kms_schema.audit.standalone import check_proof
except ModuleNotFoundError:
    sys.path.append(str(Path(__file__).resolve().parent))  # which python -I leaves out
    import check_proof  # type: ignore[import-not-found,no-redef]

Refused = check_proof.Refused

FORMAT = "kms-schema/audit-archive/v1"
MEMBERS = {"format", "first_leaf", "end_leaf", "before", "consistency", "checkpoint"}
LONGEST = 64 * 1024 * 1024
"""The most bytes of a line: no entry is longer."""
PIECE = 1024 * 1024
"""Bytes to read or decompress at a time."""


class Archive(NamedTuple):
    """The statements of an archive that holds."""

    origin: str
    first_leaf: int
    end_leaf: int
    last_sequence: int
    kept_until: dt.datetime
    """The latest end of the retention periods of its entries."""
    sha256: bytes
    lines: list[str]


class Tree:
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
            if len(rest) > LONGEST:
                raise Refused("a line is longer than an entry can be")
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


def check(path: Path, keys: list[check_proof.Key], tombstone: str | None = None, origin: str | None = None) -> Archive:
    """Return the statements of the archive at `path`. Raises `Refused` if it does not hold, and `OSError`.

    keys: the verifier keys that are trusted. tombstone: the text of a checkpoint that must name this file. origin: the
    trail that the archive must be from.
    """
    with path.open("rb") as file:
        lines = _Lines(file)
        archive = _check(iter(lines), keys)._replace(sha256=lines.sha256.digest())
    archive.lines.append(f"SHA-256 of the file: {archive.sha256.hex()}")
    if origin is not None and archive.origin != origin:
        raise Refused(f"the archive is of another trail: {json.dumps(archive.origin)}")
    if tombstone is not None:
        archive.lines.append(_check_tombstone(archive, check_proof.read_checkpoint(tombstone, keys)))
    return archive


def _check(lines: Iterator[bytes], keys: list[check_proof.Key]) -> Archive:
    head = check_proof.read_document(next(lines, b""))
    if not isinstance(head, dict) or head.get("format") != FORMAT or head.keys() != MEMBERS:
        raise Refused(f"the first line does not begin an archive of the format {FORMAT}")
    checkpoint = check_proof.read_checkpoint(head["checkpoint"], keys)
    first, end = head["first_leaf"], head["end_leaf"]
    if type(first) is not int or type(end) is not int or not 0 <= first < end <= checkpoint.size:
        raise Refused(f"first_leaf and end_leaf are not of a tree of {checkpoint.size} leaves")
    before, path = (check_proof.hashes_of({"hashes": head[name]}) for name in ("before", "consistency"))
    tree, last, until = Tree(first, before), 0, None
    for line in lines:
        entry = check_proof.read_document(line)
        if type(entry) is not dict or type(entry.get("sequence")) is not int:
            raise Refused("an entry has a sequence")
        tree.add(hashlib.sha256(check_proof.entry_bytes(entry)).digest())
        until = max(until or "", _kept_until(entry))
        last = max(last, entry["sequence"])
    if tree.size != end or until is None:
        raise Refused(f"there are {tree.size - first} entries, not {end - first}")
    root = tree.root()
    if check_proof.roots_from_proof(end, checkpoint.size, path, root) != (root, checkpoint.root):
        raise Refused("the entries are not those of the checkpoint: some were changed, removed or inserted")
    kept_until = dt.datetime.fromisoformat(until)
    return Archive(checkpoint.origin, first, end, last, kept_until, b"", [
        f"origin {json.dumps(checkpoint.origin)}, {checkpoint.size} entries, root"
        f" {base64.b64encode(checkpoint.root).decode()}, signed by {json.dumps(checkpoint.signer)}",
        f"the {end - first} entries of leaves {first} to {end - 1}, the last with sequence {last}",
        f"the last of them was to be kept until {kept_until.isoformat()}",
    ])  # fmt: skip


def _kept_until(entry: dict[str, Any]) -> str:
    """Return the end of its retention period, as text that sorts by time."""
    try:
        time = dt.datetime.fromisoformat(entry["timestamp"]).astimezone(dt.UTC)
        return (time + dt.timedelta(days=entry["retention_period_days"])).isoformat(timespec="microseconds")
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"the entry with sequence {entry['sequence']} has no valid end of its retention period") from None


def _check_tombstone(archive: Archive, seal: check_proof.Checkpoint) -> str:
    """Compare an archive with the tombstone of a seal, which states that its entries were removed."""
    digest = base64.b64encode(archive.sha256).decode()
    lines = seal.text.split("\n")
    if f"tombstone {archive.end_leaf} {archive.last_sequence} {digest}" not in lines:
        raise Refused("the tombstone is not about this file")
    match = re.search(r"^time (\S+)$", seal.text, re.MULTILINE)
    if seal.origin != archive.origin or match is None:
        raise Refused("the tombstone is of another trail")
    if _time(match[1]) < archive.kept_until:
        raise Refused(f"the tombstone was signed at {match[1]}, before the last entry was past its retention period")
    return f"removed under the tombstone of {match[1]}, signed by {json.dumps(seal.signer)}"


def _time(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Refused("the tombstone has no time") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="the compressed JSON lines")
    parser.add_argument("--key", action="append", default=[], metavar="KEY", help="a verifier key that you trust")
    parser.add_argument("--trust", type=Path, metavar="FILE", help="a file of such keys, one a line")
    parser.add_argument("--origin", help="the trail that the archive must be from")
    parser.add_argument("--tombstone", type=Path, metavar="FILE", help="the checkpoint of the seal with the tombstone")
    options = parser.parse_args(arguments)
    try:
        trusted = options.trust.read_text(encoding="utf-8").splitlines() if options.trust else []
        texts = options.key + [line.strip() for line in trusted if line.strip() and not line.strip().startswith("#")]
        if not texts:
            parser.error("name the keys that you trust: --key or --trust")
        keys = [check_proof.read_key(text) for text in texts]
        tombstone = options.tombstone.read_bytes().decode() if options.tombstone else None
    except (OSError, UnicodeError, Refused) as error:
        parser.error(str(error))
    try:
        archive = check(options.archive, keys, tombstone, options.origin)
    except OSError as error:
        parser.error(str(error))
    except Refused as error:
        print(f"REFUSED: {error}")
        return 1
    print("\n".join(archive.lines))
    print("the archive holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
