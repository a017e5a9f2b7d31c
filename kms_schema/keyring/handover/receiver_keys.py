"""Key pairs of receivers, ML-KEM-768 with X25519, their files, and HPKE (RFC 9180) to them.

The library has no form of such a private key, so the files are our own: the parts one after another in base64.
"""

import base64
import binascii
import hashlib
from pathlib import Path
from typing import NoReturn, Self

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.files.inputs import open_regular
from kms_schema.files.outputs import new_file
from kms_schema.files.secret import SecretFileError, read_secret_file
from kms_schema.keyring.errors import HandoverError

try:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
    from cryptography.hazmat.primitives.hpke import (
        AEAD,
        KDF,
        KEM,
        MLKEM768X25519PrivateKey,
        MLKEM768X25519PublicKey,
        Suite,
    )
except ImportError:
    raise ImportError("handing keys over needs a newer library: pip install 'cryptography>=47'") from None

PUBLIC_BYTES = 1184 + 32
"""The public key: that of ML-KEM-768, then that of X25519."""
SEED_BYTES = 64
"""The seed of the ML-KEM-768 private key, with which a private file begins."""
PRIVATE_BYTES = SEED_BYTES + 32
PUBLIC_LABEL = "KMS-HANDOVER-PUBLIC-1"
PRIVATE_LABEL = "KMS-HANDOVER-PRIVATE-1"
_LONGEST_FILE = 4096
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class HandoverPublicKey:
    """The public key of a receiver: key versions are wrapped to it. It is not secret. Example::

    receiver = HandoverPublicKey.read(Path("receiver.key.pub"))
    print(receiver.fingerprint)
    """

    __slots__ = ("_key", "fingerprint", "raw")

    def __init__(self, raw: bytes) -> None:
        """Take the 1,216 bytes of the key. Raises `HandoverError` (`key`) for other bytes."""
        self.raw: bytes = raw
        """The key: 1,184 bytes of ML-KEM-768, then 32 of X25519."""
        self.fingerprint: str = hashlib.sha256(raw).hexdigest()
        """SHA-256 of the key, in hexadecimal: compare it with the receiver's before you send anything."""
        if len(raw) != PUBLIC_BYTES:
            raise HandoverError(f"a public key of handovers has {PUBLIC_BYTES} bytes, not {len(raw)}", reason="key")
        try:
            lattice = MLKEM768PublicKey.from_public_bytes(raw[:-32])
            self._key = MLKEM768X25519PublicKey(lattice, X25519PublicKey.from_public_bytes(raw[-32:]))
        except ValueError:
            raise HandoverError(
                "the public key of handovers is not valid: it was changed or mistyped", reason="key"
            ) from None
        except UnsupportedAlgorithm:
            _refuse_build()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key of a text that `str` has made. Raises `HandoverError` (`key`)."""
        if text.startswith(PRIVATE_LABEL):
            del text  # so that a traceback with its variables does not have it
            raise HandoverError(
                "this is a private key: give the public one, of the file that ends in .pub", reason="key"
            )
        return cls(_bytes_of(text, PUBLIC_LABEL))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the key in a public file. Raises `HandoverError` (`key`) if it has none, and `OSError`."""
        try:
            with open_regular(path) as file:
                return cls.parse(file.read(_LONGEST_FILE).decode("ascii", "replace").strip())
        except HandoverError as error:
            message = f"{path}: {error}"
        raise HandoverError(
            message, reason="key"
        )  # outside of `except`: it may be a private key, which the other error has seen

    def seal(self, plaintext: BytesLike, info: bytes) -> bytes:
        """Return the HPKE message of `plaintext`, 1,136 bytes longer, bound to `info`. Raises nothing of its own."""
        return _SUITE.encrypt(plaintext, self._key, info=info)

    def __str__(self) -> str:
        """Return the key as `parse` takes it."""
        return f"{PUBLIC_LABEL} {base64.b64encode(self.raw).decode()}"

    def __repr__(self) -> str:
        """Show the fingerprint."""
        return f"<{type(self).__name__} {self.fingerprint}>"


class HandoverKey:
    """The private key of a receiver: it opens what was wrapped to its public key. `close` wipes it. Example::

    with HandoverKey.generate() as key:
        key.write(Path("receiver.key"))
        print(key.public)
    """

    __slots__ = ("_secret", "public")

    def __init__(self, secret: Secret) -> None:
        """Take over the 96 bytes of a key: 64 of the ML-KEM-768 seed, 32 of X25519. Raises `HandoverError` (`key`)."""
        self._secret = secret
        if len(secret) != PRIVATE_BYTES:
            raise HandoverError(f"a private key of handovers has {PRIVATE_BYTES} bytes", reason="key")
        lattice, curve = self._parts()
        raw = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        self.public: HandoverPublicKey = HandoverPublicKey(raw)
        """The public key, for those who send."""

    @classmethod
    def generate(cls) -> Self:
        """Return a new random key. Raises `HandoverError` (`key`) if cryptography was built without ML-KEM-768."""
        try:
            lattice = MLKEM768PrivateKey.generate()
        except UnsupportedAlgorithm:
            _refuse_build()
        return cls(Secret(bytearray(lattice.private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw())))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the key in a private file of `write`.

        Raises `HandoverError` (`key`) if it has none, others can read it or its group can change it, and `OSError`.
        """
        try:
            with Secret(read_secret_file(path)) as content:
                text = bytes(content.view).decode("ascii", "replace").strip() if content else ""
            return cls(Secret(bytearray(_bytes_of(text, PRIVATE_LABEL))))
        except (SecretFileError, HandoverError) as error:
            message = str(error) if isinstance(error, SecretFileError) else f"{path}: {error}"
        finally:
            text = ""  # so that a traceback with its variables does not have it
        raise HandoverError(message, reason="key")

    def write(self, path: Path) -> None:
        """Write the key to a new file that only its owner can read. Raises `FileExistsError` and other `OSError`."""
        with new_file(path) as file:
            file.write(f"{PRIVATE_LABEL} {base64.b64encode(self._secret.view).decode()}\n".encode())

    def open(self, message: bytes, info: bytes) -> Secret:
        """Return the plaintext of an HPKE message, bound to `info`, for the caller to wipe. Raises `HandoverError`."""
        lattice, curve = self._parts()
        try:
            return Secret(bytearray(_SUITE.decrypt(message, MLKEM768X25519PrivateKey(lattice, curve), info=info)))
        except (InvalidTag, ValueError):
            pass
        raise HandoverError  # outside of `except`: the error shows no other one

    def close(self) -> None:
        """Wipe the key. Copies that the library has made stay until their memory is used again."""
        self._secret.wipe()

    def _parts(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        view = self._secret.view
        try:
            lattice = MLKEM768PrivateKey.from_seed_bytes(view[:SEED_BYTES])
        except UnsupportedAlgorithm:
            _refuse_build()
        return lattice, X25519PrivateKey.from_private_bytes(view[SEED_BYTES:])

    def __repr__(self) -> str:
        """Show the fingerprint of the public key only."""
        return f"<{type(self).__name__} {self.public.fingerprint}>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle would be a copy of the key."""
        raise TypeError("a private key is neither pickled nor copied")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Wipe the key."""
        self.close()


def _bytes_of(text: str, label: str) -> bytes:
    """Return what a text has after its label. The error quotes nothing: it may be a private key that was mistyped."""
    found, _, encoded = text.partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raw = b""
    if found != label or not raw:
        raise HandoverError(
            f"not a key of handovers, which begins with {label}: make one with handover new-key", reason="key"
        )
    return raw


def _refuse_build() -> NoReturn:
    raise HandoverError(
        "this build of cryptography has no ML-KEM-768: install the wheel of PyPI, or one with OpenSSL 3.5", reason="key"
    )
