"""The envelopes that the database takes as encrypted material: their formats and their lengths.

Nothing here encrypts; see `kms_schema.crypto` for what does.
"""

from enum import IntEnum


class NotAnEnvelopeError(ValueError):
    """These bytes are no envelope: possibly plaintext, so no message quotes them."""


class EnvelopeFormat(IntEnum):
    """The first byte of an envelope: how the rest is to be read."""

    AES_256_GCM = 1
    """12-byte nonce, ciphertext of the plaintext's length, 16-byte tag (NIST SP 800-38D)."""
    AES_256_KWP = 2
    """AES key wrap with padding (RFC 5649, NIST SP 800-38F): 8 bytes more than the plaintext, padded to 8."""

    @property
    def algorithm(self) -> str:
        """What `encryption_metadata` calls it."""
        return self.name.replace("_", "-")

    @property
    def prefix(self) -> bytes:
        """The format byte."""
        return bytes([self])

    def size(self, plaintext: int) -> int:
        """Return the length of an envelope of `plaintext` bytes, both in bytes, the format byte included."""
        if self is EnvelopeFormat.AES_256_GCM:
            return 1 + 12 + plaintext + 16
        return 1 + 8 + -(-plaintext // 8) * 8


def format_of(envelope: bytes) -> EnvelopeFormat:
    """Return the format of an envelope that has at least one byte of content. Raises `NotAnEnvelopeError`."""
    try:
        found = EnvelopeFormat(envelope[0])
    except (IndexError, ValueError):
        raise NotAnEnvelopeError("no envelope: it begins with no format byte, and may be plaintext") from None
    whole_blocks = found is EnvelopeFormat.AES_256_GCM or len(envelope) % 8 == 1
    if len(envelope) < found.size(1) or not whole_blocks:
        raise NotAnEnvelopeError(f"no envelope: {found.algorithm} makes none of {len(envelope)} bytes")
    return found
