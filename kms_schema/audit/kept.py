"""A seal as the database keeps it. Its text is made from the row, so that the signature is over every column."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from kms_schema.audit.gaps import Gap
from kms_schema.audit.keys import SigningKey, VerifierKey
from kms_schema.audit.merkle import HASH_SIZE
from kms_schema.audit.notes import Note, Signature
from kms_schema.audit.seals import Bookkeeping, Seal, SealError
from kms_schema.audit.times import time_from_text

_SIGNATURE_SIZE = 68


@dataclass(frozen=True)
class KeptSeal:
    """A row of `key_audit_seals`, its columns in their order, as both engines give them."""

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

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Self:
        """Return the seal of a row, `open_gaps` as JSON text. Raises `SealError` where the row cannot be one's."""
        values = dict(zip((each.name for each in fields(cls)), row, strict=True))
        try:
            gaps = tuple(Gap(*map(int, gap)) for gap in json.loads(values.pop("open_gaps")))
        except (ValueError, TypeError):
            raise SealError(f"seal {row[0]} has open gaps that are none") from None
        return cls(**values, open_gaps=gaps)

    def row(self) -> tuple[Any, ...]:
        """Return what `from_row` takes."""
        gaps = json.dumps([[gap.first, gap.last, gap.xmax] for gap in self.open_gaps])
        return tuple(gaps if each.name == "open_gaps" else getattr(self, each.name) for each in fields(self))

    def seal(self) -> Seal:
        """Return what is signed. Raises `ValueError` where the columns cannot be those of a seal."""
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
        )

    def note(self) -> Note:
        """Return the checkpoint, with the signature if there is one. Raises `ValueError`, like `seal`."""
        text = self.seal().text()
        if self.verifier_key is None or self.signature is None:
            return Note(text, ())
        name = VerifierKey.parse(self.verifier_key).name
        return Note(text, (Signature(name, self.signature[:4], self.signature[4:]),))

    def signed_by(self, key: SigningKey) -> "KeptSeal":
        """Return it with the signature of a key."""
        signature = key.verifier.key_id + key.sign(self.seal().text().encode())
        return replace(self, verifier_key=str(key.verifier), signature=signature)

    def check_signature(self) -> None:
        """Raise `SealError` where the signature is not one of this seal by the key that it names."""
        if self.verifier_key is None and self.signature is None:
            return
        if self.verifier_key is None or self.signature is None or len(self.signature) != _SIGNATURE_SIZE:
            raise SealError("its signature is not whole")
        key = VerifierKey.parse(self.verifier_key)
        message, signature = self.seal().text().encode(), self.signature
        if signature[:4] != key.key_id or not key.verifies(message, signature[4:]):
            raise SealError(f"its signature is not one of {key.name} over what it says now")

    @property
    def leads_to(self) -> str | None:
        """The verifier key that the next seal has to be signed with; None where this one is not signed."""
        return self.next_key or self.verifier_key

    @property
    def subtree_hashes(self) -> list[bytes]:
        """The compact range, hash by hash."""
        return [self.compact_range[at : at + HASH_SIZE] for at in range(0, len(self.compact_range), HASH_SIZE)]
