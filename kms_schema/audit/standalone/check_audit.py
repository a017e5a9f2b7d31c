#!/usr/bin/env python3
"""Check proofs and archives of the audit trail of kms-schema without the database.

A copy of this file works alone: it needs Python 3.11 and the package `cryptography`, and nothing of kms-schema. It
trusts only the verifier keys that it is given, and their successors, which signed checkpoints announce. The pages
"audit", "reports" and "retention" of its documentation describe the formats. It repeats modules of the package for
those who do not trust them.

exit status: 0 what is checked holds, 1 it does not, 2 wrong usage, or a file that cannot be read or written
"""

import argparse
import base64
import datetime as dt
import errno
import gzip
import hashlib
import io
import json
import os
import re
import stat
import struct
import sys
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    Ed25519PublicKey = None  # type: ignore[assignment,misc]  # --help works without the package

ENTRY = b"kms-schema/audit-entry/v1"

LONGEST = 2 * 1024 * 1024
"""The most bytes of a document, and of a line of an archive. The largest entry encodes to 131,218."""
MOST_BRACKETS = 150_000
"""The most objects and lists of a document, with the brackets in texts; each takes memory before it can be refused."""
MOST_SIGNATURES, MOST_KEYS = 100, 1000
LARGEST = 2**63 - 1  # the highest size of a tree

ARCHIVE = "kms-schema/audit-archive/v1"
ARCHIVE_MEMBERS = {"format", "first_leaf", "end_leaf", "before", "consistency", "checkpoint"}
PIECE = 1024 * 1024
"""Bytes of an archive to read or decompress at a time."""
INFINITE = (-(2**63), 2**63 - 1)
"""The times that PostgreSQL writes as -infinity and infinity."""
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

COLUMNS = {
    "id": "uuid", "sequence": ">q", "key_id": "uuid", "event_type": "text", "event_category": "text",
    "event_description": "text", "user_id": "text", "session_id": "text", "client_ip": "text", "user_agent": "text",
    "timestamp": "time", "duration_ms": ">q", "security_level": "text", "risk_score": ">i", "compliance_tags": "text",
    "retention_period_days": ">i", "recorded_by": "text", "additional_metadata": "text",
}  # fmt: skip


class Refused(Exception):  # noqa: N818  (not an error of the program, but a proof that is not valid)
    """The proof or archive does not hold; the message states why."""


class Key(NamedTuple):
    """A verifier key."""

    name: str
    key_id: bytes
    public: bytes


class Checkpoint(NamedTuple):
    """A signed checkpoint whose signature is verified."""

    origin: str
    size: int
    root: bytes
    text: str
    signer: str


def decoded(text: Any, what: str) -> bytes:
    """Return the bytes of standard base64."""
    data = b""
    if isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text) and len(text) % 4 == 0:
        data = base64.b64decode(text)
    if not data or base64.b64encode(data).decode() != text:
        raise Refused(f"{what} is not base64")
    return data


def hashes_of(document: dict[str, Any]) -> list[bytes]:
    """Return the hashes of a proof."""
    if not isinstance(document["hashes"], list):
        raise Refused("hashes is not a list")
    found = [decoded(text, "a hash") for text in document["hashes"]]
    if any(len(each) != 32 for each in found):
        raise Refused("a hash has 32 bytes")
    return found


def read_key(text: str) -> Key:
    """Return the key of `NAME+KEYID+BASE64`."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    material = decoded(encoded, "the verifier key")
    expected = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
    if not name or len(material) != 33 or material[0] != 1 or expected.hex() != key_id:
        raise Refused("not an Ed25519 verifier key NAME+KEYID+BASE64, or it was changed or mistyped")
    return Key(name, expected, material[1:])


def read_checkpoint(note: Any, keys: list[Key]) -> Checkpoint:
    """Return a checkpoint that one of `keys` has signed."""
    if not isinstance(note, str) or not note.strip():
        raise Refused("a checkpoint is empty or no text; fetch it: kms-schema audit checkpoint > checkpoint.txt")
    _refuse_crlf(note, "a checkpoint")
    body, blank, rest = note.rpartition("\n\n")
    if not blank or not rest.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]", note):
        raise Refused("a checkpoint is a text, an empty line, and lines with signatures")
    text, signer = body + "\n", ""
    signed = rest[:-1].split("\n")
    if len(signed) > MOST_SIGNATURES:
        raise Refused(f"a checkpoint has at most {MOST_SIGNATURES} signatures")
    for line in signed:
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        if not match:
            raise Refused("a line after a checkpoint's text is not a signature")
        signature = decoded(match[2], "a signature")
        for key in keys:
            if (key.name, key.key_id) == (match[1], signature[:4]):
                try:
                    Ed25519PublicKey.from_public_bytes(key.public).verify(signature[4:], text.encode())
                except InvalidSignature:
                    raise Refused(f"the signature by {key.name} is not one of this checkpoint") from None
                signer = signer or f"{key.name}+{key.key_id.hex()}"
    if not signer:
        raise Refused("a checkpoint is not signed by a key that you trust")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines) or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise Refused("a checkpoint has lines for origin, size and root, and none is empty")
    if int(lines[1]) > LARGEST:
        raise Refused(f"a checkpoint has a size of at most {LARGEST}")
    root = decoded(lines[2], "the root of a checkpoint")
    if len(root) != 32:
        raise Refused("the root of a checkpoint has 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root, text, signer)


def _refuse_crlf(text: str, what: str) -> None:
    if "\r" in text:
        raise Refused(f"{what} has lines that end with CRLF: fetch it again, byte by byte")


def with_successors(keys: list[Key], notes: list[Any]) -> list[Key]:
    """Return the keys, and those that checkpoints of the trail of `notes[0]` announce, each signed by a key before."""
    trusted = dict.fromkeys(keys)
    origin = notes[0].partition("\n")[0] if isinstance(notes[0], str) else None
    signers = {each: {*re.findall(r"^— (\S+ \S{5})", each, re.M)} for each in notes if isinstance(each, str)}
    while True:  # the note of a key that was announced may announce another; each is read once
        known = {f"{key.name} {base64.b64encode(key.key_id).decode()[:5]}" for key in trusted}
        read = [note for note, names in signers.items() if not known.isdisjoint(names)]
        if not read:
            return list(trusted)
        for note in read:
            del signers[note]
            try:
                lines = read_checkpoint(note, list(trusted)).text.split("\n")
            except Refused:
                continue  # it is refused where it is read
            next_keys = [each[9:] for each in lines[3:] if each.startswith("next-key ")]
            trusted |= dict.fromkeys(map(read_key, next_keys if lines[0] == origin else []))


def entry_bytes(entry: Any) -> bytes:
    """Return the bytes of an entry, encoding v1."""
    if not isinstance(entry, dict) or entry.keys() != COLUMNS.keys():
        raise Refused("entry does not have exactly the columns of an audit entry")
    parts = [struct.pack(">hi", 1 + len(COLUMNS), len(ENTRY)) + ENTRY]
    for column, kind in COLUMNS.items():
        value = entry[column]
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
            continue
        try:
            data = field_bytes(kind, value)
        except (ValueError, TypeError, struct.error, OverflowError):
            raise Refused(f"{column} does not have a value of its type") from None
        parts.append(struct.pack(">i", len(data)) + data)
    return b"".join(parts)


def field_bytes(kind: str, value: Any) -> bytes:
    """Return the bytes of a value that is not NULL."""
    if kind == "time" and isinstance(value, str):
        time = dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)  # strptime takes seven times as long
        if f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}Z" != value:
            raise ValueError
        return struct.pack(">q", (time - EPOCH) // dt.timedelta(microseconds=1))
    if kind in ("time", ">q", ">i"):
        if type(value) is not int:
            raise TypeError
        # Microseconds stand for a time only where no text could: outside the years 1 to 9999.
        if kind == "time" and -63082281600000000 <= value < 252455616000000000:
            raise ValueError
        return struct.pack(">q" if kind == "time" else kind, value)
    if not isinstance(value, str):
        raise TypeError
    if kind == "uuid":
        if str(uuid.UUID(value)) != value:
            raise ValueError
        return uuid.UUID(value).bytes
    return value.encode()


def above(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_path(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Return the root of an audit path, as RFC 6962 defines it in section 2.1.1."""
    if (size == 1) == bool(path):
        raise Refused("the proof has too many or too few hashes")
    if size == 1:
        return leaf
    k = 1 << ((size - 1).bit_length() - 1)
    if index < k:
        return above(root_from_path(index, k, leaf, path[:-1]), path[-1])
    return above(path[-1], root_from_path(index - k, size - k, leaf, path[:-1]))


def roots_from_proof(old: int, new: int, path: list[bytes], old_root: bytes | None) -> tuple[bytes, bytes]:
    """Return the roots of both trees of a proof, as RFC 6962 defines them in section 2.1.2.

    `old_root` is what the old tree's root is said to be, as long as it is a whole subtree on the left edge.
    """
    if old == new:
        if len(path) != (old_root is None):
            raise Refused("the proof has too many or too few hashes")
        same = path[0] if old_root is None else old_root
        return same, same
    if not path:
        raise Refused("the proof has too few hashes")
    k = 1 << ((new - 1).bit_length() - 1)
    if old <= k:
        of_old, of_new = roots_from_proof(old, k, path[:-1], old_root)
        return of_old, above(of_new, path[-1])
    of_old, of_new = roots_from_proof(old - k, new - k, path[:-1], None)
    return above(path[-1], of_old), above(path[-1], of_new)


def check_inclusion(document: dict[str, Any], keys: list[Key]) -> tuple[list[Checkpoint], str]:
    """Check that an entry is in the tree of a checkpoint."""
    checkpoint = read_checkpoint(document["checkpoint"], keys)
    index = document["leaf_index"]
    if type(index) is not int or not 0 <= index < checkpoint.size:
        raise Refused(f"leaf_index is not one of a tree of {checkpoint.size} leaves")
    leaf = hashlib.sha256(entry_bytes(document["entry"])).digest()
    if root_from_path(index, checkpoint.size, leaf, hashes_of(document)) != checkpoint.root:
        raise Refused("the entry is not the one at this place in the tree of the checkpoint")
    entry = document["entry"]
    return [checkpoint], f"entry {json.dumps(entry['id'])}, sequence {entry['sequence']}, is leaf {index} of this tree"


def check_consistency(document: dict[str, Any], keys: list[Key]) -> tuple[list[Checkpoint], str]:
    """Check that the tree of a checkpoint is an extension of the tree of an older checkpoint."""
    old, new = (read_checkpoint(document[name], keys) for name in ("old_checkpoint", "new_checkpoint"))
    path = hashes_of(document)
    if old.origin != new.origin:
        raise Refused("the checkpoints are of two trails")
    if old.size > new.size:
        raise Refused("the old tree is larger than the new one: entries are gone")
    if old.size == 0:
        empty = hashlib.sha256(b"").digest()
        if path or old.root != empty or (new.size == 0 and new.root != empty):
            raise Refused("the empty tree needs no hashes, and has a root of its own")
    elif roots_from_proof(old.size, new.size, path, old.root) != (old.root, new.root):
        raise Refused("the new tree is not an extension of the old one: entries were changed or removed")
    return [old, new], "the second tree is the first one and what was added to it"


CHECKS = {
    "kms-schema/audit-inclusion-proof/v1": (check_inclusion, {"format", "entry", "leaf_index", "hashes", "checkpoint"}),
    "kms-schema/audit-consistency-proof/v1": (
        check_consistency,
        {"format", "old_checkpoint", "new_checkpoint", "hashes"},
    ),
}


def check_proof(
    proof: bytes, keys: list[Key], origin: str | None = None, kept: str | None = None, announced: tuple[str, ...] = ()
) -> list[str]:
    """Return the statements of a proof, in lines; raises `Refused` if it does not hold.

    proof: the JSON document. keys: the verifier keys that are trusted. With `origin` the proof must be about that
    trail, with `kept` about that signed checkpoint. announced: checkpoints that announce the successors of keys.
    """
    document = read_document(proof)
    if not isinstance(document, dict) or str(document.get("format")) not in CHECKS:
        raise Refused("this is not a proof: it has no format that this program knows")
    checks, members = CHECKS[str(document["format"])]
    if document.keys() != members:
        raise Refused(f"a proof of this format has {', '.join(sorted(members))}, and nothing else")
    notes = [document[name] for name in sorted(members) if name.endswith("checkpoint")]
    keys = with_successors(keys, [*notes, kept, *announced])
    checkpoints, shown = checks(document, keys)
    if origin is not None and checkpoints[0].origin != origin:
        raise Refused(f"the proof is about another trail: {json.dumps(checkpoints[0].origin)}")
    if kept is not None and read_checkpoint(kept, keys).text not in [each.text for each in checkpoints]:
        raise Refused("the proof is not about the checkpoint that you kept")
    described = [
        f"origin {json.dumps(each.origin)}, {each.size} entries, root {base64.b64encode(each.root).decode()},"
        f" signed by {json.dumps(each.signer)}"
        for each in checkpoints
    ]
    return [*described, shown]


def read_document(proof: bytes) -> Any:
    """Return the document of JSON without repeated names and with whole numbers only."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise Refused("a name is repeated in the proof")
        return dict(pairs)

    def no_number(_text: str) -> NoReturn:
        raise Refused("a proof has whole numbers only")

    if len(proof) > LONGEST or proof.count(b"{") + proof.count(b"[") > MOST_BRACKETS:
        raise Refused(f"a document, or a line with one, has at most {LONGEST} bytes and {MOST_BRACKETS} brackets")
    try:
        text = proof.decode()
        _refuse_crlf(text, "a document")
        return json.loads(text, object_pairs_hook=once, parse_float=no_number, parse_constant=no_number)
    except (ValueError, RecursionError):
        raise Refused("this is not JSON") from None


def open_file(path: Path) -> io.BufferedReader:
    """Open a regular file: a FIFO may never have anything to read, and a device no end. Raises `OSError`."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file; copy its content into one", str(path))
    return file


def read_file(path: Path) -> bytes:
    """Return the bytes of a file with one document, checkpoint or list of keys. Raises `OSError`."""
    with open_file(path) as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise OSError(errno.EFBIG, f"longer than the {LONGEST} bytes that such a file can have", str(path))
    return content


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file. Raises `Refused` for one that is too long or not compressed properly."""
    try:
        with open_file(path) as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            lines: IO[bytes] = gzip.GzipFile(fileobj=file) if compressed else file  # type: ignore[assignment]
            while line := lines.readline(LONGEST + 1):
                if len(line) > LONGEST:
                    raise Refused(f"a line has more than {LONGEST} bytes")
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Refused(f"it is no whole gzip file: {error}") from None


def check_proofs(
    path: Path, keys: list[Key], origin: str | None = None, kept: str | None = None, announced: Sequence[str] = ()
) -> tuple[int, str]:
    """Return the number of proofs of a file, and the statement about their checkpoint.

    path: the file. Further arguments: as of `check_proof`. Raises `Refused`, with the line, and `OSError`.
    """
    about, count, before = "", 0, 0
    for count, line in enumerate(lines_of(path), 1):
        try:
            *statements, entry = check_proof(line, keys, origin, kept, tuple(announced))
            statement = "; ".join(statements)
        except (Refused, ValueError) as error:
            raise Refused(f"line {count}: {error}") from None
        if about not in ("", statement):
            raise Refused(f"line {count}: it is about another checkpoint than the lines before")
        sequence = re.search(r", sequence (\d+), is leaf \d+ of this tree$", entry)
        if not sequence or int(sequence[1]) <= before:
            raise Refused(f"line {count}: the entries do not ascend by sequence, so one could be counted twice")
        about, before = statement, int(sequence[1])
    if not count:
        raise Refused("it has no proofs")
    return count, about


class Archive(NamedTuple):
    """The statements of an archive that holds."""

    origin: str
    first_leaf: int
    end_leaf: int
    last_sequence: int
    kept_until: int
    """The latest end of the retention periods of its entries: microseconds since 2000, or one of `INFINITE`."""
    sha256: bytes
    checkpoint: Checkpoint
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
            level, node = level + 1, above(left, node)
        self._subtrees.append((level, node))
        self.size += 1

    def root(self) -> bytes:
        """Return its root."""
        if not self._subtrees:
            return hashlib.sha256(b"").digest()
        *rest, (_, root) = self._subtrees
        for _, left in reversed(rest):
            root = above(left, root)
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
                raise Refused(f"a line is longer than the {LONGEST} bytes that an entry can take")
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


def check_archive(  # noqa: PLR0913  (all but the file and the keys are optional, and by name)
    path: Path,
    keys: list[Key],
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
    with open_file(path) as file:
        lines = _Lines(file)
        head = _head(documents := iter(lines))
        keys = with_successors(keys, [head["checkpoint"], tombstone, *kept, *announced])
        external = [read_checkpoint(note, keys) for note in kept]
        archive = _archive_of(head, documents, keys, external)._replace(sha256=lines.sha256.digest())
    for checkpoint in external:
        _agree(archive, checkpoint, consistent, keys)
    archive.lines.extend([f"checkpoints that you kept and that agree with it: {len(external)}"] if external else ())
    archive.lines.append(f"SHA-256 of the file: {archive.sha256.hex()}")
    if origin is not None and archive.origin != origin:
        raise Refused(f"the archive is of another trail: {json.dumps(archive.origin)}")
    if tombstone is not None:
        archive.lines.append(_check_tombstone(archive, read_checkpoint(tombstone, keys)))
    return archive


def _head(lines: Iterator[bytes]) -> dict[str, Any]:
    head = read_document(next(lines, b""))
    if not isinstance(head, dict) or head.get("format") != ARCHIVE or head.keys() != ARCHIVE_MEMBERS:
        raise Refused(f"the first line does not begin an archive of the format {ARCHIVE}")
    return head


def _archive_of(head: dict[str, Any], lines: Iterator[bytes], keys: list[Key], kept: list[Any]) -> Archive:
    checkpoint = read_checkpoint(head["checkpoint"], keys)
    first, end = head["first_leaf"], head["end_leaf"]
    if type(first) is not int or type(end) is not int or not 0 <= first < end <= checkpoint.size:
        raise Refused(f"first_leaf and end_leaf are not of a tree of {checkpoint.size} leaves")
    before, path = (hashes_of({"hashes": head[name]}) for name in ("before", "consistency"))
    tree, last, until = _Tree(first, before), 0, INFINITE[0]
    roots = {first: tree.root()} | {each.size: b"" for each in kept if first < each.size <= end}
    for line in lines:
        if tree.size in roots:
            roots[tree.size] = tree.root()
        if tree.size == end:
            raise Refused(f"there are more than {end - first} entries")
        entry = read_document(line)
        if type(entry) is not dict or type(entry.get("sequence")) is not int:
            raise Refused("an entry has a sequence")
        tree.add(hashlib.sha256(entry_bytes(entry)).digest())
        until = max(until, _kept_until(entry))
        last = max(last, entry["sequence"])
    if tree.size != end:
        raise Refused(f"there are {tree.size - first} entries, not {end - first}")
    root = roots[end] = tree.root()
    if roots_from_proof(end, checkpoint.size, path, root) != (root, checkpoint.root):
        raise Refused("the entries are not those of the checkpoint: some were changed, removed or inserted")
    roots[checkpoint.size] = checkpoint.root
    return Archive(checkpoint.origin, first, end, last, until, b"", checkpoint, roots, [
        f"origin {json.dumps(checkpoint.origin)}, {checkpoint.size} entries, root"
        f" {base64.b64encode(checkpoint.root).decode()}, signed by {json.dumps(checkpoint.signer)}",
        f"the {end - first} entries of leaves {first} to {end - 1}, the last with sequence {last}",
        f"the last of them was to be kept until {_in_words(until)}",
        *([f"leaves 0 to {first - 1} are not in it: check_audit.py archives checks all together"] if first else ()),
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
        return int(struct.unpack(">q", field_bytes("time", time))[0])
    except (ValueError, TypeError, struct.error, OverflowError):
        return None


def _in_words(time: int) -> str:
    try:
        return (EPOCH + dt.timedelta(microseconds=time)).isoformat()
    except OverflowError:
        return "infinity" if time == INFINITE[1] else f"{time} microseconds after {EPOCH.isoformat()}"


def _agree(archive: Archive, kept: Checkpoint, proofs: Sequence[bytes], keys: list[Any]) -> None:
    """Compare an archive with a checkpoint that was kept, if need be through a consistency proof."""
    if kept.origin != archive.origin:
        raise Refused(f"a checkpoint that you kept is of another trail: {json.dumps(kept.origin)}")
    if kept.size in archive.roots:
        if archive.roots[kept.size] != kept.root:
            raise Refused(f"the checkpoint of {kept.size} entries that you kept has another root: they were rewritten")
        return
    wanted = {(each.origin, each.size, each.root) for each in (kept, archive.checkpoint)}
    for proof in proofs:
        check_proof(proof, keys)
        notes = [note for name, note in read_document(proof).items() if name.endswith("_checkpoint")]
        both = [read_checkpoint(note, keys) for note in notes]
        if {(each.origin, each.size, each.root) for each in both} == wanted:
            return
    raise Refused(
        f"the archive alone does not show that its checkpoint of {archive.checkpoint.size} entries and that of"
        f" {kept.size} agree: ask for a proof by kms-schema audit consistency, and give it with --consistency"
    )


def _check_tombstone(archive: Archive, seal: Checkpoint) -> str:
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


def check_archives(
    paths: Sequence[Path],
    keys: list[Key],
    tombstones: Sequence[str] = (),
    *,
    origin: str | None = None,
    announced: Sequence[str] = (),
) -> list[Archive]:
    """Return the statements of the archives at `paths`, in the order of their leaves.

    keys: the verifier keys that are trusted. tombstones: the texts of checkpoints, each of which must name one of the
    files; with some, each file must have one. origin: the trail that they must be from. announced: checkpoints that
    announce successors of keys.

    Raises `Refused` if an archive does not hold, if one is missing, or if they are not of one tree, and `OSError`.
    """
    left = list(tombstones)
    found = []
    for path in paths:
        named = f" {_sha256(path)}\n"
        tombstone = next((each for each in left if named in each), None)
        if tombstone is not None:
            left.remove(tombstone)
        elif tombstones:
            raise Refused(f"{path}: no tombstone is about this file")
        try:
            found.append(check_archive(path, keys, tombstone, origin, announced=announced))
        except Refused as error:
            raise Refused(f"{path}: {error}") from None
    if left:
        raise Refused("a tombstone is about none of these files: an archive is missing")
    found.sort(key=lambda archive: archive.first_leaf)
    _refuse_gaps(found)
    return found


def _refuse_gaps(archives: Sequence[Archive]) -> None:
    end, root, origin = 0, hashlib.sha256(b"").digest(), archives[0].origin
    for archive in archives:
        if archive.first_leaf != end:
            raise Refused(
                f"an archive begins with leaf {archive.first_leaf}, and the one before ends before leaf {end}:"
                f" {'entries are missing' if archive.first_leaf > end else 'they overlap'}"
            )
        if archive.origin != origin or archive.roots[end] != root:
            raise Refused(f"the archives before and after leaf {end} are of two trails")
        end, root = archive.end_leaf, archive.roots[archive.end_leaf]


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()


class Parser(argparse.ArgumentParser):
    """Repeats no private key in an error."""

    def error(self, message: str) -> NoReturn:
        """End the program with status 2."""
        if "PRIVATE+KEY" in message:
            message = "an argument is a private key, and is not repeated here: these programs need verifier keys only"
        super().error(message)


def keys_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[list[Key], tuple[str, ...]]:
    """Return the trusted keys, and the checkpoints that announce others."""
    if Ed25519PublicKey is None:  # status 1 would say that a proof does not hold
        parser.error("signatures need the package cryptography: pip install cryptography")
    trusted = read_file(options.trust).decode().splitlines() if options.trust else []
    texts = options.key + [line.strip() for line in trusted if line.strip() and not line.strip().startswith("#")]
    if not 0 < len(texts := list(dict.fromkeys(texts))) <= MOST_KEYS:
        parser.error(f"name the keys that you trust, {MOST_KEYS} at most: --key or --trust")
    return [read_key(text) for text in texts], tuple(read_file(each).decode() for each in options.announcement)


class Given(NamedTuple):
    """The evidence that a program is given, beside the files to check."""

    keys: list[Key]
    announced: tuple[str, ...]
    origin: str | None
    kept: list[str]
    consistent: list[bytes]
    tombstones: list[str]


def _proof(paths: list[Path], given: Given) -> Iterator[str]:
    """Check a proof: an inclusion or a consistency proof, as one JSON document."""
    kept = next(iter(given.kept), None)
    yield from check_proof(read_file(paths[0]), given.keys, given.origin, kept, given.announced)
    yield "the proof holds"


def _proofs(paths: list[Path], given: Given) -> Iterator[str]:
    """Check files of proofs, one a line.

    `kms-schema report` writes such files beside a report. They may be compressed with gzip. All proofs must be about
    one checkpoint: with --checkpoint the one that you kept.
    """
    abouts = set()
    for path in paths:
        name = json.dumps(str(path))
        try:
            count, about = check_proofs(path, given.keys, given.origin, next(iter(given.kept), None), given.announced)
        except Refused as error:
            raise Refused(f"{name}: {error}") from None
        abouts.add(about)
        yield f"{name}: {count} proof{'' if count == 1 else 's'}"
    if len(abouts) > 1:
        raise Refused("the files are about several checkpoints")
    yield from abouts
    yield "all proofs hold"


def _archive(paths: list[Path], given: Given) -> Iterator[str]:
    """Check an archive.

    The archive holds if the hashes of its entries lead to its checkpoint. That must be signed by a key that you trust,
    or by a successor that a checkpoint announces. With --checkpoint it must agree with the checkpoints that you kept:
    its own comes from the owner of the database. With --tombstone, the checkpoint with the tombstone must name this
    file, and every entry must have been past its retention period when that checkpoint was signed.
    """
    keys, announced, origin, kept, consistent, tombstones = given
    tombstone = next(iter(tombstones), None)
    archive = check_archive(paths[0], keys, tombstone, origin, kept=kept, announced=announced, consistent=consistent)
    yield from archive.lines
    yield "the archive holds"


def _archives(paths: list[Path], given: Given) -> Iterator[str]:
    """Check all archives of a trail together.

    Each must hold. They must follow each other in one tree from its first entry on, so that no archive is missing and
    none begins later than the one before ended: a tombstone states how far entries were removed, and the hash of one
    file. Each --tombstone must name one of the files, and each file needs one if there are any. One checkpoint that you
    kept is enough for all: check the archive that it is about with it.
    """
    archives = check_archives(paths, given.keys, given.tombstones, origin=given.origin, announced=given.announced)
    for archive in archives:
        yield f"leaves {archive.first_leaf} to {archive.end_leaf - 1}, SHA-256 {archive.sha256.hex()}"
    yield f"origin {json.dumps(archives[0].origin)}: all entries of leaves 0 to {archives[-1].end_leaf - 1}"
    yield "the archives hold"


def _parser() -> Parser:
    parser = Parser(description=__doc__.rpartition("\n\n")[0], epilog=__doc__.rpartition("\n\n")[2])
    parser.set_defaults(checkpoint=[], consistency=[], tombstone=[])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for check, files, what in (
        (_proof, 1, "the JSON document"),
        (_proofs, "+", "files of proofs, one a line"),
        (_archive, 1, "the compressed JSON lines"),
        (_archives, "+", "the files with compressed JSON lines, in any order"),
    ):
        name = check.__name__.removeprefix("_")
        text = str(check.__doc__)
        command = commands.add_parser(name, help=text.partition(".")[0].partition(":")[0], description=text)
        command.epilog = parser.epilog
        command.set_defaults(check=check)
        command.add_argument("files", metavar=name, type=Path, nargs=files, help=what)
        command.add_argument("--key", action="append", default=[], metavar="KEY", help="a verifier key that you trust")
        command.add_argument("--trust", type=Path, metavar="FILE", help="a file of such keys, one a line")
        announced = "the checkpoint of a seal that announces a successor of a key; repeatable"
        command.add_argument("--announcement", type=Path, action="append", default=[], metavar="FILE", help=announced)
        command.add_argument("--origin", help=f"the trail that the {name} must be about")
    for name, option, several, what in (
        ("proof", "--checkpoint", False, "your checkpoint that it must be about"),
        ("proofs", "--checkpoint", False, "your checkpoint that they must be about"),
        ("archive", "--checkpoint", True, "an external checkpoint that the archive must agree with; repeatable"),
        ("archive", "--consistency", True, "a consistency proof between such a checkpoint and its own; repeatable"),
        ("archive", "--tombstone", False, "the checkpoint of the seal with the tombstone"),
        ("archives", "--tombstone", True, "the checkpoint of a seal with a tombstone; repeatable"),
    ):
        action, count = ("append", None) if several else ("store", 1)
        command = commands.choices[name]
        command.add_argument(option, action=action, nargs=count, type=Path, default=[], metavar="FILE", help=what)
    return parser


def _lines(parser: Parser, options: argparse.Namespace, given: Given) -> Iterator[str]:
    """Yield what is shown; a file that cannot be read is wrong usage, an output that cannot be written is not."""
    try:
        yield from options.check(options.files, given)
    except OSError as error:
        parser.error(str(error))


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        given = Given(
            *keys_of(parser, options),
            options.origin,
            [read_file(each).decode() for each in options.checkpoint],
            [read_file(each) for each in options.consistency],
            [read_file(each).decode() for each in options.tombstone],
        )
    except (OSError, UnicodeError, Refused) as error:
        parser.error(str(error))
    try:
        for line in _lines(parser, options, given):
            print(line)
    except Refused as error:
        print(f"REFUSED: {error}")
        return 1
    return 0


def run(program: Callable[[], int]) -> int:
    """Run a program, and return its exit status: 1 means that it refuses, and not that its output is gone."""
    try:
        status = program()
        print(end="", flush=True)
    except (KeyboardInterrupt, OSError) as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python writes what is left when it ends
        is_output = isinstance(error, OSError)
        print(f"cannot write the output: {error}" if is_output else "Interrupted: nothing was checked", file=sys.stderr)
        status = 2 if is_output else 130
    return status


if __name__ == "__main__":
    sys.exit(run(main))
