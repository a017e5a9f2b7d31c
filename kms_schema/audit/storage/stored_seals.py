"""Stored seals. The signed text is made from the row, so the signature covers every column."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.formats.keys import SigningKey, VerifierKey
from kms_schema.audit.formats.merkle import HASH_SIZE, CompactRange
from kms_schema.audit.formats.notes import Note, Signature
from kms_schema.audit.formats.seals import Bookkeeping, Seal, Tombstone
from kms_schema.audit.formats.texts import time_from_text

_SIGNATURE_SIZE = 68
_TOMBSTONE = ("tombstone_leaf_count", "tombstone_last_sequence", "archive_sha256")
_INTEGERS = ("number", "tree_size", "last_sequence", "snapshot_xmax", *_TOMBSTONE[:2])
_BYTES = ("root_hash", "previous_seal_hash", "signature", "compact_range", _TOMBSTONE[2])
_NULLABLE = ("verifier_key", "signature", "next_key", "snapshot_xmax", "system_identifier", *_TOMBSTONE)


@dataclass(frozen=True)
class StoredSeal:
    """A row of `key_audit_seals`, with its columns in the order of both engines, and the columns of its tombstone."""

    number: int
    origin: str
    sealed_at: str
    tree_size: int
    root_hash: bytes
    previous_seal_hash: bytes
    verifier_key: str | None
    signature: bytes | None
    """Key id and Ed25519 signature, 68 bytes."""
    next_key: str | None
    compact_range: bytes
    last_sequence: int
    open_gaps: tuple[Gap, ...]
    snapshot_xmax: int | None
    system_identifier: str | None
    tombstone_leaf_count: int | None = None
    tombstone_last_sequence: int | None = None
    archive_sha256: bytes | None = None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """Return the seal of a row, with `open_gaps` as JSON text. Raises `EncodingError` if the row cannot be a seal.

        The returned seal has a text and a tree to extend. Its signature and hashes are not verified.
        """
        values = dict(zip((each.name for each in fields(cls)), row, strict=True))
        try:
            for name, value in values.items():
                _check_type(name, value)
            stored = cls(**(values | {"open_gaps": _gaps(values["open_gaps"])}))
            stored.seal()
            CompactRange(stored.tree_size, stored.subtree_hashes)
            if stored.verifier_key is not None:
                VerifierKey.parse(stored.verifier_key)
        except ValueError as error:
            raise EncodingError(f"seal {row[0]} cannot be read: {error}", reason="seal") from None
        return stored

    def row(self) -> tuple[Any, ...]:
        """Return the columns of `key_audit_seals`; the tombstone is a row of its own."""
        gaps = json.dumps([[gap.first, gap.last, gap.xmax] for gap in self.open_gaps])
        names = (each.name for each in fields(self) if each.name not in _TOMBSTONE)
        return tuple(gaps if name == "open_gaps" else getattr(self, name) for name in names)

    @property
    def tombstone(self) -> Tombstone | None:
        """Its statement about removed entries. Raises `EncodingError`."""
        if self.tombstone_leaf_count is None or self.tombstone_last_sequence is None or self.archive_sha256 is None:
            return None
        return Tombstone(self.tombstone_leaf_count, self.tombstone_last_sequence, self.archive_sha256)

    def seal(self) -> Seal:
        """Return the signed content. Raises `ValueError` if no seal can have these columns."""
        bookkeeping = Bookkeeping(
            gaps=[(gap.first, gap.last, gap.xmax) for gap in self.open_gaps],
            last_sequence=self.last_sequence,
            snapshot_xmax=self.snapshot_xmax,
            system_identifier=self.system_identifier,
        )
        return Seal(
            origin=self.origin,
            size=self.tree_size,
            root=self.root_hash,
            time=time_from_text(self.sealed_at),
            number=self.number,
            previous=self.previous_seal_hash,
            state=bookkeeping.state(),
            next_key=None if self.next_key is None else VerifierKey.parse(self.next_key),
            tombstone=self.tombstone,
        )

    def note(self) -> Note:
        """Return the checkpoint, with the signature if there is one. Raises `ValueError`, like `seal`."""
        text = self.seal().text()
        if self.verifier_key is None or self.signature is None:
            return Note(text, ())
        name = VerifierKey.parse(self.verifier_key).name
        return Note(text, (Signature(name, self.signature[:4], self.signature[4:]),))

    def checkpoint_text(self) -> str:
        """Return the checkpoint for the outside: a signed note, or the text alone. Raises `ValueError`, as `seal`."""
        note = self.note()
        return str(note) if note.signatures else note.text

    def signed_by(self, key: SigningKey) -> "StoredSeal":
        """Return this seal with the signature of a key."""
        signature = key.verifier.key_id + key.sign(self.seal().text().encode())
        return replace(self, verifier_key=str(key.verifier), signature=signature)

    def check_signature(self) -> None:
        """Raise `EncodingError` if the signature is not one over this seal by its key. An unsigned seal passes."""
        if self.verifier_key is None and self.signature is None:
            return
        if self.verifier_key is None or self.signature is None or len(self.signature) != _SIGNATURE_SIZE:
            raise EncodingError("its signature is incomplete", reason="seal")
        key = VerifierKey.parse(self.verifier_key)
        message, signature = self.seal().text().encode(), self.signature
        if signature[:4] != key.key_id or not key.verifies(message, signature[4:]):
            raise EncodingError(f"its signature is not one of {key.name} over its present content", reason="seal")

    @property
    def leads_to(self) -> str | None:
        """The verifier key that the next seal must be signed with; None if this seal is not signed."""
        return self.next_key or self.verifier_key

    @property
    def subtree_hashes(self) -> list[bytes]:
        """The compact range, hash by hash."""
        return [self.compact_range[at : at + HASH_SIZE] for at in range(0, len(self.compact_range), HASH_SIZE)]


def _check_type(name: str, value: object) -> None:
    expected = int if name in _INTEGERS else bytes if name in _BYTES else str
    if type(value) is not expected and not (value is None and name in _NULLABLE):
        raise EncodingError(f"{name} is of the type {type(value).__name__}, not {expected.__name__}", reason="seal")


def _gaps(text: str) -> tuple[Gap, ...]:
    """Return the gaps of JSON text, which has one canonical form: the signature covers the gaps, not their text."""
    try:
        parsed = json.loads(text)
        if json.dumps(parsed) == text and all(type(number) is int for gap in parsed for number in gap):
            return tuple(Gap(*gap) for gap in parsed)
    except (ValueError, TypeError, RecursionError):
        pass
    raise EncodingError("its open gaps are not valid", reason="seal")
