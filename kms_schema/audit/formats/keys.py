"""Keys that sign seals: Ed25519, written as signed notes write them (https://c2sp.org/signed-note).

No error shows the text of a key: it may be a private one that was mistyped.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kms_schema.audit.formats.texts import from_base64, to_base64
from kms_schema.errors import KmsSchemaError
from kms_schema.files.inputs import read_whole
from kms_schema.files.outputs import new_file
from kms_schema.files.secret import SecretFileError, read_secret_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = b"\x01"
"""The byte for this kind of signature, in key ids and before keys."""

KEY_SIZE = 32
MOST_KEYS = 1000
"""The most verifier keys of a file."""

_PRIVATE = "PRIVATE+KEY+"


class SealKeyError(KmsSchemaError, ValueError):
    """A text is not a key, a file is not a file of keys, or a private key is accessible to others."""


def is_key_name(name: str) -> bool:
    """Return whether a key can have this name: not empty, without spaces, plus signs and control characters."""
    with suppress(UnicodeEncodeError):
        name.encode()
        return name != "" and not any(each.isspace() or each < " " or each == "+" for each in name)
    return False


@dataclass(frozen=True)
class VerifierKey:
    """A public key and its name, to verify signatures. It is not secret. Example::

    key = VerifierKey.parse(Path("seal.key.pub").read_text().strip())
    """

    name: str
    public_key: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        """Raise `SealKeyError` if the name or the key is not valid."""
        if not is_key_name(self.name):
            raise SealKeyError("the name of a key is not empty and has no spaces, plus signs or control characters")
        if len(self.public_key) != KEY_SIZE:
            raise SealKeyError("an Ed25519 key has 32 bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key of the text `NAME+KEYID+BASE64`. Raises `SealKeyError`."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        key = cls(name, _bare(encoded, "verifier key NAME+KEYID+BASE64"))
        if key.key_id.hex() != key_id:
            raise SealKeyError(f"the key id of the verifier key {name!r} does not match: it was changed or mistyped")
        return key

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of a hash over name and key. It identifies a key, but does not prove it."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        """Return the key as `parse` takes it."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(ED25519 + self.public_key)}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Return whether `signature`, 64 bytes, is one of this key over `message`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key and its name, to sign seals. Only `private_text` and `write_signing_key` reveal it. Example::

    key = SigningKey.generate("kms.example/audit")
    write_signing_key(Path("seal.key"), key)
    print(key.verifier)
    """

    name: str
    _seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> Self:
        """Return a new random key. Raises `SealKeyError` if the name is not valid."""
        key = cls(name, os.urandom(KEY_SIZE))
        _ = key.verifier
        return key

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key of `PRIVATE+KEY+NAME+KEYID+BASE64`. Raises `SealKeyError`, whose message does not show it."""
        if not text.startswith(_PRIVATE):
            raise SealKeyError(f"a signing key begins with {_PRIVATE}")
        name, _, rest = text.removeprefix(_PRIVATE).partition("+")
        key_id, _, encoded = rest.partition("+")
        key = cls(name, _bare(encoded, f"signing key {_PRIVATE}NAME+KEYID+BASE64"))
        if key.verifier.key_id.hex() != key_id:
            raise SealKeyError("the key id of the signing key does not match: it was changed or mistyped")
        return key

    @property
    def verifier(self) -> VerifierKey:
        """The verifier key."""
        return VerifierKey(self.name, self._private_key().public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message: 64 bytes, the same each time."""
        return self._private_key().sign(message)

    def private_text(self) -> str:
        """Return the key as `parse` takes it. The text is secret, since the key signs seals."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{to_base64(ED25519 + self._seed)}"

    def _private_key(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._seed)


def _bare(encoded: str, what: str) -> bytes:
    """Return the key of a base64 text without the byte for its kind."""
    try:
        key = from_base64(encoded)
    except ValueError:
        key = b""
    if len(key) != 1 + KEY_SIZE or not key.startswith(ED25519):
        raise SealKeyError(f"not an Ed25519 {what}")
    return key[1:]


def write_signing_key(path: Path, key: SigningKey) -> None:
    """Write a private key to a new file that only its owner can read, and fsync it.

    Raises `SealKeyError` if the file exists, since keys are never overwritten, and `OSError` if it cannot be written.
    """
    try:
        with new_file(path) as file:
            file.write(f"{key.private_text()}\n".encode())
    except FileExistsError:
        raise SealKeyError(f"{path} exists, and a key is never overwritten: name another file") from None


def read_signing_key(path: Path) -> SigningKey:
    """Return the private key in a file of `write_signing_key`, such as `kms-schema audit keygen` makes.

    Raises `SealKeyError` if the file is not a key, can be read by others, or can be changed by its group; `OSError` if
    it cannot be read.
    """
    try:
        content = read_secret_file(path)
    except SecretFileError as error:
        raise SealKeyError(str(error)) from None
    try:
        return SigningKey.parse(content.decode().strip())
    except SealKeyError as error:
        raise SealKeyError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise SealKeyError(f"{path}: not a text file") from None


def read_verifier_keys(path: Path) -> list[VerifierKey]:
    """Return the keys in a file of verifier keys, one a line. Empty lines and lines that begin with # are skipped.

    Raises `SealKeyError`, which names the line, also for no keys, more than `MOST_KEYS`, and two with the same name and
    key id. Raises `OSError` if the file cannot be read.
    """
    keys: dict[tuple[str, bytes], VerifierKey] = {}
    for number, line in enumerate(read_whole(path).decode("utf-8", "replace").split("\n"), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith(_PRIVATE):
            raise SealKeyError(f"{path}, line {number}: a private key; this file is for verifier keys")
        try:
            key = VerifierKey.parse(text)
        except SealKeyError as error:
            raise SealKeyError(f"{path}, line {number}: {error}") from None
        if keys.setdefault((key.name, key.key_id), key) != key:
            raise SealKeyError(f"{path}, line {number}: another key has this name and key id")
        if len(keys) > MOST_KEYS:
            raise SealKeyError(f"{path}: more than {MOST_KEYS} verifier keys")
    if not keys:
        raise SealKeyError(f"{path}: no verifier keys in it")
    return list(keys.values())
