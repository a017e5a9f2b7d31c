"""Root keys from files and environment variables: a provider for systems without an HSM.

A key is 32 random bytes in standard base64, as `openssl rand -base64 32` prints them. It is in the memory of this
process as long as the provider exists. Access to that memory, or to the file, gives access to every key under it.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Self

from kms_schema.crypto.ciphers import WRAPPING_KEY_BYTES, decrypt, encrypt
from kms_schema.crypto.errors import RootKeyError, WrappingKeyError
from kms_schema.crypto.private_files import PrivateFileError, read_private
from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.envelope_format import EnvelopeFormat

MOST_CHARACTERS = 255
"""The length of `key_versions.wrapping_key_ref`."""


class RootKeys:
    """A `WrappingKeyProvider` that holds its keys in memory. `close`, or the end of a `with` block, wipes them."""

    def __init__(self, keys: Mapping[str, Secret]) -> None:
        """Take over keys by their references. Raises `RootKeyError` for keys that cannot be root keys, or are equal."""
        self._keys = dict(keys)
        for reference, key in self._keys.items():
            _check_reference(reference)
            if len(key) != WRAPPING_KEY_BYTES or not any(key.view):
                raise RootKeyError(f"the root key {reference!r} is not {WRAPPING_KEY_BYTES} random bytes")
            twin = next((other for other, same in self._keys.items() if other != reference and same == key), None)
            if twin is not None:
                raise RootKeyError(
                    f"the root keys {twin!r} and {reference!r} are the same: rewrapping would change nothing"
                )

    @classmethod
    def from_files(cls, files: Mapping[str, str | Path]) -> Self:
        """Return a provider with the keys in files.

        files: paths by reference; a reference is the text of `wrapping_key_ref`, at most 255 characters.

        Raises `RootKeyError` if a file is not a key, can be read by others, or can be changed by its group; `OSError`
        if it cannot be read. Example::

            with RootKeys.from_files({"kms://root-2026": "/run/secrets/root-2026.key"}) as root_keys:
                wrapping = KeyWrapping(root_keys)
        """
        return cls({reference: _read(Path(path)) for reference, path in files.items()})

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """Return a provider with the keys in environment variables.

        variables: names of variables by reference. Child processes inherit them, and /proc shows them to the same user:
        prefer a file. Raises `RootKeyError` if a variable is not set, or is not a key. Example::

            RootKeys.from_environment({"kms://root-2026": "ROOT_KEY"})
        """
        keys = {}
        for reference, variable in variables.items():
            if variable not in os.environ:
                raise RootKeyError(f"the environment has no variable {variable}")
            keys[reference] = _decode(os.environ[variable].encode(errors="replace"), f"the variable {variable}")
        return cls(keys)

    def formats(self, reference: str) -> AbstractSet[EnvelopeFormat]:
        """Return both formats for a key of this provider, none for others."""
        return frozenset(EnvelopeFormat) if reference in self._keys else frozenset()

    def wrap(self, reference: str, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
        """Return an envelope of `plaintext` under the root key that `reference` names, in the format `form`.

        associated_data: bytes that `unwrap` must be given again. Raises `WrappingKeyError` for an unknown reference,
        and `MaterialError` for empty plaintext.
        """
        return encrypt(self._key(reference).view, form, plaintext, associated_data)

    def unwrap(self, reference: str, envelope: bytes, associated_data: bytes) -> Secret:
        """Return the plaintext of an envelope.

        reference, associated_data: those that `wrap` was given. Raises `OpeningRefusedError` if they or the envelope
        are others, and `WrappingKeyError` for an unknown reference.
        """
        return decrypt(self._key(reference).view, envelope, associated_data)

    def _key(self, reference: str) -> Secret:
        try:
            return self._keys[reference]
        except KeyError:
            raise WrappingKeyError(f"there is no root key {reference!r}") from None

    def close(self) -> None:
        """Wipe and remove the keys."""
        while self._keys:
            self._keys.popitem()[1].wipe()

    def __repr__(self) -> str:
        """Show the references only."""
        return f"<{type(self).__name__} {', '.join(map(repr, self._keys)) or 'closed'}>"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wipe the keys."""
        self.close()


def _check_reference(reference: str) -> None:
    if not reference.strip() or len(reference) > MOST_CHARACTERS:
        raise RootKeyError(f"a reference has 1 to {MOST_CHARACTERS} characters, not all blank")


def _read(path: Path) -> Secret:
    try:
        content = read_private(path)
    except PrivateFileError as error:
        raise RootKeyError(str(error)) from None
    with content:
        return _decode(bytes(content.view) if content else b"", str(path))


def _decode(text: bytes, where: str) -> Secret:
    try:
        key = Secret(bytearray(base64.b64decode(text.strip(), validate=True)))
    except binascii.Error:
        key = Secret(bytearray())
    del text  # a mistyped key is close to the key, and some loggers show the variables of a traceback
    if len(key) != WRAPPING_KEY_BYTES:
        raise RootKeyError(f"{where} is not a root key: make one with openssl rand -base64 {WRAPPING_KEY_BYTES}")
    return key
