"""Signed notes (https://c2sp.org/signed-note): a text, and signatures of it by keys with names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from kms_schema.audit.formats.keys import SigningKey, VerifierKey, is_key_name
from kms_schema.audit.formats.texts import from_base64, to_base64
from kms_schema.errors import KmsSchemaError

MOST_SIGNATURES = 100
"""A note with more is refused, as Go's library does."""

_DASH = "\N{EM DASH} "


class NoteError(KmsSchemaError, ValueError):
    """A text is not a signed note or a checkpoint, or is not signed by a trusted key."""


@dataclass(frozen=True)
class Signature:
    """The signature of one key."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return the signature as a line of a note, without the newline."""
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.signature)}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the signature of a line. Raises `NoteError`."""
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            data = from_base64(encoded)
        except ValueError:
            data = b""
        if not line.startswith(_DASH) or not space or not is_key_name(name) or len(data) < 5:
            raise NoteError("a line after the text of the note is not a signature")
        return cls(name, data[:4], data[4:])


@dataclass(frozen=True)
class Note:
    """A text that ends with a newline, and its signatures, which are not verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        """Return the note as `parse` takes it."""
        return self.text + "\n" + "".join(f"{each.line()}\n" for each in self.signatures)

    @classmethod
    def parse(cls, note: str | bytes) -> Self:
        """Return the text and signatures of a note. Raises `NoteError` if it has another form.

        Do not trust the text before `trusted` has verified it. Read files as bytes: the signature covers line ends.
        """
        if isinstance(note, bytes):
            try:
                note = note.decode()
            except UnicodeDecodeError:
                raise NoteError("a signed note is UTF-8") from None
        text, blank, signatures = note.rpartition("\n\n")
        if not blank or not signatures.endswith("\n"):
            raise NoteError("a signed note is a text, an empty line, and lines with signatures")
        check_text(text + "\n")
        lines = signatures.removesuffix("\n").split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise NoteError(f"a note has {MOST_SIGNATURES} signatures at most")
        return cls(text + "\n", tuple(Signature.parse(line) for line in lines))

    def trusted(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Return the keys of `keys` that have signed this text, in the order of the signatures.

        Signatures of other keys are ignored. Raises `NoteError` if a signature by one of `keys` is wrong, even beside a
        correct signature by the same key, if two of `keys` have the same name and key id, or if none of them has
        signed.
        """
        known: dict[tuple[str, bytes], VerifierKey] = {}
        for key in keys:
            if known.setdefault((key.name, key.key_id), key) != key:
                raise NoteError(f"two different keys have the name {key.name}+{key.key_id.hex()}")
        signers: list[VerifierKey] = []
        message = self.text.encode()
        for signature in self.signatures:
            signer = known.get((signature.name, signature.key_id))
            if signer is None:
                continue
            if not signer.verifies(message, signature.signature):
                raise NoteError(f"the signature by {signer.name}+{signer.key_id.hex()} is not one of this text")
            if signer not in signers:
                signers.append(signer)
        if not signers:
            raise NoteError("no trusted key has signed this")
        return signers


def sign(text: str, *keys: SigningKey) -> Note:
    """Return the note of a text with the signatures of `keys`. Raises `NoteError` if no note can have the text."""
    check_text(text)
    message = text.encode()
    return Note(text, tuple(Signature(key.name, key.verifier.key_id, key.sign(message)) for key in keys))


def check_text(text: str) -> None:
    """Raise `NoteError` unless a note can have this text: UTF-8, a newline at the end, no other control characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoteError("the text of a note is UTF-8") from None
    if not text.endswith("\n") or any(each < " " and each != "\n" for each in text):
        raise NoteError("the text of a note ends with a newline, and has no other control characters")
