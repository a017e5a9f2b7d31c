"""The formats and lengths of the envelopes that the database accepts as encrypted material, and what they are bound to.

`kms_schema.crypto` encrypts; this module only describes the result. The associated data of an envelope are fields in
order, each after its length in four bytes, big-endian, so that different lists of fields have different bytes. The
page "crypto" of the documentation describes them.
"""

from enum import IntEnum

from kms_schema.errors import KmsSchemaError

ENCODING = "kms-schema/envelope/v1"
"""The first field of associated data, and the name of the encoding in `encryption_metadata`."""

BOUND_TO_KEY_VERSION = (
    "key_versions.id",
    "key_masters.id",
    "key_masters.key_id",
    "key_masters.key_type",
    "key_masters.algorithm",
    "key_versions.version_number",
)
"""The fields after encoding, table and column, as `encryption_metadata` lists them. The database refuses changes."""


class NotAnEnvelopeError(KmsSchemaError, ValueError):
    """The bytes are not an envelope. They may be plaintext, so no message quotes them."""


class EnvelopeFormat(IntEnum):
    """The first byte of an envelope: the format of the rest."""

    AES_256_GCM = 1
    """12-byte nonce, ciphertext of the plaintext's length, 16-byte tag (NIST SP 800-38D)."""
    AES_256_KWP = 2
    """AES key wrap with padding (RFC 5649, NIST SP 800-38F): 8 bytes more than the plaintext, padded to 8."""

    @property
    def algorithm(self) -> str:
        """The name of the format in `encryption_metadata`."""
        return self.name.replace("_", "-")

    @property
    def prefix(self) -> bytes:
        """The format byte."""
        return bytes([self])

    def size(self, plaintext: int) -> int:
        """Return the length of an envelope of `plaintext` bytes, in bytes, including the format byte."""
        if self is EnvelopeFormat.AES_256_GCM:
            return 1 + 12 + plaintext + 16
        return 1 + 8 + -(-plaintext // 8) * 8


_LEAST_BYTES = {each: each.size(1) for each in EnvelopeFormat}


def format_of(envelope: bytes) -> EnvelopeFormat:
    """Return the format of an envelope.

    Raises `NotAnEnvelopeError` if the first byte is no format, or the length is impossible for the format.
    """
    try:
        found = EnvelopeFormat(envelope[0])
    except (IndexError, ValueError):
        raise NotAnEnvelopeError("no envelope: it begins with no format byte, and may be plaintext") from None
    whole_blocks = found is EnvelopeFormat.AES_256_GCM or len(envelope) % 8 == 1
    if len(envelope) < _LEAST_BYTES[found] or not whole_blocks:
        raise NotAnEnvelopeError(f"no envelope: {found.algorithm} makes none of {len(envelope)} bytes")
    return found


def fields(*values: bytes) -> bytes:
    """Return the values, each after its length in four bytes."""
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)
