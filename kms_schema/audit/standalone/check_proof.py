#!/usr/bin/env python3
"""Check a proof of the audit trail of kms-schema without the database: an inclusion or a consistency proof.

A copy of this file works alone: it needs Python 3.11 and the package `cryptography`, and nothing of kms-schema. It
trusts only the verifier keys that it is given, and their successors, which signed checkpoints announce. The page
"audit" of its documentation describes the format. It repeats modules of the package for those who do not trust them.

exit status: 0 the proof holds, 1 it does not, 2 wrong usage, or a file that cannot be read or written
"""

import argparse
import base64
import datetime as dt
import errno
import hashlib
import io
import json
import os
import re
import stat
import struct
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

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
MOST_SIGNATURES = 100
LARGEST = 2**63 - 1
"""The highest size of a tree."""

COLUMNS = {
    "id": "uuid", "sequence": ">q", "key_id": "uuid", "event_type": "text", "event_category": "text",
    "event_description": "text", "user_id": "text", "session_id": "text", "client_ip": "text", "user_agent": "text",
    "timestamp": "time", "duration_ms": ">q", "security_level": "text", "risk_score": ">i", "compliance_tags": "text",
    "retention_period_days": ">i", "recorded_by": "text", "additional_metadata": "text",
}  # fmt: skip


class Refused(Exception):  # noqa: N818  (not an error of the program, but a proof that is not valid)
    """The proof does not hold; the message states why."""


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
    trusted = list(dict.fromkeys(keys))
    origin = notes[0].partition("\n")[0] if isinstance(notes[0], str) else None
    before = 0
    while len(trusted) > before:  # the note of a key that was announced may announce another
        before = len(trusted)
        for note in notes:
            try:
                lines = read_checkpoint(note, trusted).text.split("\n")
            except Refused:
                continue  # it is refused where it is read
            announced = [
                read_key(each[9:]) for each in lines[3:] if each.startswith("next-key ") and lines[0] == origin
            ]
            trusted += [key for key in announced if key not in trusted]
    return trusted


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
        return struct.pack(">q", (time - dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1))
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
    """Check that the tree of one checkpoint is an extension of that of another."""
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


def check(
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


class Parser(argparse.ArgumentParser):
    """Repeats no private key in an error."""

    def error(self, message: str) -> NoReturn:
        """End the program with status 2."""
        if "PRIVATE+KEY" in message:
            message = "an argument is a private key, and is not repeated here: these programs need verifier keys only"
        super().error(message)


def add_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the options that name keys and the trail."""
    parser.add_argument("--key", action="append", default=[], metavar="KEY", help="a verifier key that you trust")
    parser.add_argument("--trust", type=Path, metavar="FILE", help="a file of such keys, one a line")
    announced = "the checkpoint of a seal that announces a successor of a key; repeatable"
    parser.add_argument("--announcement", type=Path, action="append", default=[], metavar="FILE", help=announced)
    parser.add_argument("--origin", help=f"the trail that the {what} must be about")


def keys_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[list[Key], tuple[str, ...]]:
    """Return the trusted keys, and the checkpoints that announce others."""
    if Ed25519PublicKey is None:  # status 1 would say that a proof does not hold
        parser.error("signatures need the package cryptography: pip install cryptography")
    trusted = read_file(options.trust).decode().splitlines() if options.trust else []
    texts = options.key + [line.strip() for line in trusted if line.strip() and not line.strip().startswith("#")]
    if not texts:
        parser.error("name the keys that you trust: --key or --trust")
    return [read_key(text) for text in texts], tuple(read_file(each).decode() for each in options.announcement)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = Parser(description=__doc__.rpartition("\n\n")[0], epilog=__doc__.rpartition("\n\n")[2])
    parser.add_argument("proof", type=Path, help="the JSON document")
    add_options(parser, "proof")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="your checkpoint that it must be about")
    options = parser.parse_args(arguments)
    try:
        keys, announced = keys_of(parser, options)
        proof = read_file(options.proof)
        kept = read_file(options.checkpoint).decode() if options.checkpoint else None
    except (OSError, UnicodeError, Refused) as error:
        parser.error(str(error))
    try:
        lines = check(proof, keys, options.origin, kept, announced)
    except Refused as error:
        print(f"REFUSED: {error}")
        return 1
    print("\n".join([*lines, "the proof holds"]))
    return 0


def run(program: Callable[[], int]) -> int:
    """Run a program, and return its exit status: 1 is for what it refuses, and never for an output that is gone."""
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
