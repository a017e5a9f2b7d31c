"""Handover files: a header that says which key version it is, then its material in an HPKE message.

The header is in the clear, and the `info` of the message: with a changed header, nothing opens. The page "handover" has
the bytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kms_schema.crypto.secret import Secret
from kms_schema.envelope_format import fields
from kms_schema.keyring.errors import HandoverError, UnsupportedKeyError
from kms_schema.keyring.use.states import MOST_USES
from kms_schema.vocabulary import KeyType

if TYPE_CHECKING:
    from kms_schema.keyring.handover.receiver_keys import HandoverKey, HandoverPublicKey

MAGIC = b"kms-handover/v1\n"
"""The beginning of a file: its format and version."""
LONGEST_FILE = 16 * 1024
"""More bytes than any handover file has: the longest key of a database has 8,192."""
_MOST_BITS = 65_536


@dataclass(frozen=True)
class HandoverHeader:
    """The description of the key version in a handover file; it is authentic only once the file has been opened."""

    key_id: str
    """The name of the key at the sender."""
    version: int
    key_type: str
    algorithm: str
    key_size_bits: int
    ciphertext_tag: int
    """The tag of the ciphertexts of this version."""
    used: int
    """How often the sender has encrypted with it, as counted when it was handed over."""
    receiver: str
    """The fingerprint of the receiver's public key."""

    def encoded(self) -> bytes:
        """Return the bytes before the HPKE message, which is bound to them."""
        numbers = ((self.version, 4), (self.key_size_bits, 4), (self.ciphertext_tag, 4), (self.used, 8))
        version, bits, tag, used = (number.to_bytes(size, "big") for number, size in numbers)
        texts = (text.encode() for text in (self.key_id, self.key_type, self.algorithm))
        return MAGIC + fields(fields(*texts, version, bits, tag, used, bytes.fromhex(self.receiver)))

    @classmethod
    def read(cls, file: bytes) -> Self:
        """Return the header of a file, which nothing has authenticated yet. Raises `HandoverError`."""
        try:
            header = cls._read(file)
            if file.startswith(header.encoded()):  # one header has one form
                return header
        except (ValueError, OverflowError):
            pass
        raise HandoverError

    @classmethod
    def _read(cls, file: bytes) -> Self:
        (header,) = _read_fields(file[len(MAGIC) :], 1)
        key_id, key_type, algorithm, version, bits, tag, used, receiver = _read_fields(header, 8)
        made = cls(
            key_id.decode(), int.from_bytes(version, "big"), key_type.decode(), algorithm.decode(),
            int.from_bytes(bits, "big"), int.from_bytes(tag, "big"), int.from_bytes(used, "big"), receiver.hex(),
        )  # fmt: skip
        made.check()
        return made

    def check(self) -> None:
        """Raise `ValueError` unless a database can have such a key."""
        KeyType(self.key_type)
        for text in (self.key_id, self.algorithm):
            if not text.strip() or len(text) > 64 or not text.isprintable():
                raise ValueError("a name that is blank, too long or not printable")
        for number, most in (
            (self.version, 2**31 - 1), (self.key_size_bits, _MOST_BITS), (self.ciphertext_tag, 2**32 - 1),
        ):  # fmt: skip
            if not 1 <= number <= most:
                raise ValueError("a number out of range")
        if self.used > MOST_USES or len(self.receiver) != 64:
            raise ValueError("a number or a fingerprint out of range")

    def require_fit(self) -> None:
        """Raise `UnsupportedKeyError` unless a receiver could read this header: else nothing is to be written."""
        try:
            self.check()
        except ValueError:
            raise UnsupportedKeyError(
                f"key {self.key_id!r} cannot be handed over: its name or its size does not fit into a file",
                key_id=self.key_id,
                version=self.version,
            ) from None

    def described(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Handover:
    """A handover file for its receiver, with its contents."""

    header: HandoverHeader
    file: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file in hexadecimal. Tell it to the receiver on another way than the file."""
        return sha256_of(self.file)


def sha256_of(file: bytes) -> str:
    """Return the SHA-256 of a file in hexadecimal, as `sha256sum` prints it."""
    return hashlib.sha256(file).hexdigest()


def seal(header: HandoverHeader, material: Secret, to: "HandoverPublicKey") -> Handover:
    """Return the handover file of `material` for a receiver.

    `header` describes the version and names the fingerprint of `to`. Raises `UnsupportedKeyError` for a header that
    no receiver could read, such as of a key whose name is not printable.
    """
    header.require_fit()
    info = header.encoded()
    return Handover(header, info + to.seal(material.view, info))


def open_handover(file: bytes, *, key: "HandoverKey", sha256: str) -> tuple[HandoverHeader, Secret]:
    """Return the header and the material of a handover file, for the caller to wipe.

    - `file`: its bytes. `key`: the private key of the receiver
    - `sha256`: SHA-256 of the file as the sender has told it. Only it says who has made the file: anybody who knows the
      public key can make another one

    Raises `HandoverError` with one message for a changed, cut or spliced file and for another receiver's, and with
    another one if the file does not have that SHA-256. Example::

        header, material = open_handover(Path("orders.handover").read_bytes(), key=key, sha256="4f1c…")
    """
    found = sha256_of(file)
    if found != sha256.strip().lower():
        raise HandoverError(
            f"the handover file has the SHA-256 {found}, which is not that of the sender: it is another file, or was"
            " changed; do not use it"
        )
    header = HandoverHeader.read(file)
    info = header.encoded()
    material = key.open(file[len(info) :], info)
    if len(material) != (header.key_size_bits + 7) // 8:
        material.wipe()
        raise HandoverError
    return header, material


def _read_fields(data: bytes, count: int) -> Iterator[bytes]:
    """Yield so many fields, each after its length in four bytes. Raises `ValueError` if they are not there."""
    place = 0
    for _ in range(count):
        size = int.from_bytes(data[place : place + 4], "big")
        value = data[place + 4 : place + 4 + size]
        if len(value) != size or place + 4 > len(data):
            raise ValueError("a field that is cut")
        yield value
        place += 4 + size
