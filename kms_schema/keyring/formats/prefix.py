"""The five bytes at the start of a ciphertext: its form, and the tag of the key version that made it.

They are Tink's prefix of a ciphertext, whose key id is the tag. A stream has another first byte, which Tink does not
use. Neither byte names an algorithm: a key serves one algorithm, which is in its row.
"""

from enum import IntEnum, StrEnum
from typing import NamedTuple

from kms_schema.crypto.secret import BytesLike
from kms_schema.keyring.formats.errors import CipherKeyError, NotACiphertextError

PREFIX_BYTES = 5
GREATEST_TAG = 2**32 - 1
AUTHENTICATION_TAG_BYTES = 16
MAX_MESSAGE_BYTES = 2**31 - 1
"""The longest message, and the longest associated data, in bytes. Longer content is encrypted as a stream."""


class Algorithm(StrEnum):
    """The algorithms of data keys, as `key_masters.algorithm` names them."""

    XAES_256_GCM = "XAES-256-GCM"
    """C2SP XAES-256-GCM: a 24-byte random nonce, safe for 2^80 messages under one key."""
    AES_256_GCM = "AES-256-GCM"
    """NIST SP 800-38D: a 12-byte random nonce. The ring allows 2^31 messages under one key."""

    @property
    def nonce_bytes(self) -> int:
        """The length of the nonce."""
        return 24 if self is Algorithm.XAES_256_GCM else 12

    def ciphertext_bytes(self, plaintext_bytes: int) -> int:
        """Return the length of the ciphertext of a message of `plaintext_bytes` bytes.

        Raises nothing. Example::

            Algorithm.XAES_256_GCM.ciphertext_bytes(100)  # 145
        """
        return PREFIX_BYTES + self.nonce_bytes + plaintext_bytes + AUTHENTICATION_TAG_BYTES


class Form(IntEnum):
    """The first byte of a ciphertext."""

    MESSAGE = 1
    """One message: nonce, ciphertext, authentication tag."""
    STREAM = 2
    """A file or pipe: a header, then segments."""

    @property
    def least_bytes(self) -> int:
        """The length of the shortest ciphertext of this form, which has an empty message or stream."""
        if self is Form.MESSAGE:
            return Algorithm.AES_256_GCM.ciphertext_bytes(0)
        return PREFIX_BYTES + 40 + AUTHENTICATION_TAG_BYTES


class Prefix(NamedTuple):
    """The prefix of a ciphertext."""

    form: Form
    tag: int
    """`key_versions.ciphertext_tag` of the version that made it, 1 to 2^32 - 1."""


def write_prefix(form: Form, tag: int) -> bytes:
    """Return the five bytes of a prefix. Raises `CipherKeyError` unless `tag` is 1 to 2^32 - 1."""
    if not 1 <= tag <= GREATEST_TAG:
        raise CipherKeyError(f"a ciphertext tag is 1 to {GREATEST_TAG}, this one is {tag}")
    return bytes([form]) + tag.to_bytes(4, "big")


def read_prefix(blob: BytesLike) -> Prefix:
    """Return the prefix of a ciphertext, or of the first bytes of a stream. It is not authenticated before opening.

    Raises `NotACiphertextError` if the first byte is no form, the tag is 0 or fewer bytes than a prefix are there;
    `read_message_prefix` checks the length of a message, too. Example::

        read_prefix(bytes.fromhex("01000007d1"))  # Prefix(form=Form.MESSAGE, tag=2001)
    """
    start = bytes(blob[:PREFIX_BYTES])
    if len(start) == PREFIX_BYTES and start[0] in (Form.MESSAGE, Form.STREAM) and any(start[1:]):
        return Prefix(Form(start[0]), int.from_bytes(start[1:], "big"))
    raise NotACiphertextError("no ciphertext: it does not begin with the prefix of one, and may be plaintext")


def read_message_prefix(blob: BytesLike) -> int:
    """Return the tag of a message's ciphertext, which is all there: what a database column holds.

    Raises `NotACiphertextError` as `read_prefix`, also for a stream, and where no message has so few bytes. Example::

        ring_version = versions[read_message_prefix(blob)]
    """
    form, tag = read_prefix(blob)
    if form is not Form.MESSAGE:
        raise NotACiphertextError(
            "it is a stream, as `keys encrypt` makes: use `decrypt_stream` or `keys decrypt`", reason="other_form"
        )
    if len(blob) < form.least_bytes:
        raise NotACiphertextError(f"no ciphertext: none has {len(blob)} bytes, the shortest {form.least_bytes}")
    return tag
