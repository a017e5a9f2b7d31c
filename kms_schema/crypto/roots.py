"""Roots of trust: keys outside the database that compute HMAC-SHA-256 and do not have to show themselves.

A row's key is one HMAC of the root (`kms_schema.crypto.ciphers`), so a file, a token and a cloud with one key open the
same rows. The permission to compute that HMAC is the permission to open them: the key has no other use.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from kms_schema.crypto.ciphers import WRAPPING_KEY_BYTES, hmac_sha256
from kms_schema.crypto.errors import RootKeyError, WrappingKeyError
from kms_schema.crypto.secret import Secret
from kms_schema.files.secret import SecretFileError, read_secret_file
from kms_schema.text.printable import LIKE_A_KEY

HEALTH_MESSAGE = b"kms-schema/health"
"""Message of `health`; messages for rows begin with another byte."""


class Root(Protocol):
    """A root key, in whatever place. Threads may call `derive` at once, and so may a forked child.

    `kms_schema.testing.root_conformance` tests an implementation.
    """

    @property
    def type(self) -> str:
        """Kind of the root: the scheme of its URI, such as `file` or `pkcs11`."""

    @property
    def key(self) -> str:
        """Name of the key at its provider, for messages: a path, a token and an object, an ARN; no secret."""

    def derive(self, message: bytes) -> Secret:
        """Return HMAC-SHA-256 of `message` under the key: 32 bytes, for the caller to wipe.

        message: fewer than 4,096 bytes; the package's have a few hundred. Raises `RootUnavailableError`, or another
        `CryptoError` that says what to do, if the key is not there or may not be used.
        """

    def health(self) -> Sequence[str]:
        """Use the key once, and return warnings: uses that its provider permits beside HMAC, a key that can be read.

        Raises as `derive` does.
        """

    def close(self) -> None:
        """Wipe the key, or end the use of its device."""


class SecretRoot:
    """A `Root` in the memory of this process, from a file or an environment variable."""

    def __init__(self, key: Secret, *, type: str = "memory", name: str = "in memory") -> None:
        """Take over a key of 32 random bytes.

        key: wiped by `close`. type, name: what `type` and `key` return. Raises `RootKeyError` for another length, and
        for one byte repeated. Example::

            SecretRoot(Secret(bytearray(secrets.token_bytes(32))))
        """
        self.type: str = type
        self.key: str = name
        self._secret = key
        if len(key) != WRAPPING_KEY_BYTES or key.is_constant():
            raise RootKeyError(f"the root key {name} is not {WRAPPING_KEY_BYTES} random bytes")

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Return the root in a file. Raises as `read_root_file` does."""
        return cls(read_root_file(path), type="file", name=str(path))

    @classmethod
    def from_environment(cls, variable: str) -> Self:
        """Return the root in an environment variable. Raises `RootKeyError` if it is not set, or is no key."""
        if variable not in os.environ:
            _refuse_key(variable, "variable")
            raise RootKeyError(f"the environment has no variable {variable}")
        key = _decode(os.environ[variable].encode(errors="replace"), f"the variable {variable}")
        return cls(key, type="env", name=variable)

    def derive(self, message: bytes) -> Secret:
        """Return HMAC-SHA-256 of `message`. Raises `WrappingKeyError` after `close`."""
        if not self._secret:
            raise WrappingKeyError(f"the root key {self.key} is closed")
        return hmac_sha256(self._secret.view, message)

    def health(self) -> Sequence[str]:
        """Return no warnings. Raises as `derive` does."""
        self.derive(HEALTH_MESSAGE).wipe()
        return ()

    def close(self) -> None:
        """Wipe the key."""
        self._secret.wipe()

    def is_same(self, other: "SecretRoot") -> bool:
        """Return whether both have the same key."""
        return self._secret == other._secret

    def __repr__(self) -> str:
        """Show kind and name only."""
        return f"<{type(self).__name__} {self.type}:{self.key}>"


def read_root_file(path: str | Path) -> Secret:
    """Return the root key in a file, for the caller to wipe.

    Raises `RootKeyError` with the path if it is no key, cannot be read, or is not a file that `read_secret_file` reads.
    """
    try:
        content = Secret(read_secret_file(Path(path)))
    except SecretFileError as error:
        raise RootKeyError(str(error)) from None
    except (OSError, ValueError) as error:
        _refuse_key(str(path), "file")
        fault = getattr(error, "strerror", None) or error
        raise RootKeyError(f"cannot read the root key in {str(path)!r}: {fault}") from None
    with content:
        return _decode(bytes(content.view) if content else b"", str(path))


def _refuse_key(name: str, kind: str) -> None:
    """Raise `RootKeyError` if a name that nothing has is like a key: an error with the name would show the key."""
    if LIKE_A_KEY.fullmatch(name):
        raise RootKeyError(
            f"there is no {kind} of the given name, which is like a key and not repeated here. Give the name of a"
            f" {kind} that has the key, and replace a key that others may have read"
        ) from None


def _decode(text: bytes, where: str) -> Secret:
    try:
        key = Secret(bytearray(base64.b64decode(text.strip(), validate=True)))
    except binascii.Error:
        key = Secret(bytearray())
    del text  # a mistyped key is close to the key, and some loggers show the variables of a traceback
    if len(key) != WRAPPING_KEY_BYTES:
        raise RootKeyError(f"{where} is not a root key: make one with openssl rand -base64 {WRAPPING_KEY_BYTES}")
    return key
