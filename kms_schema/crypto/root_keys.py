"""Root keys by the references that the database has of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from sqlalchemy.exc import MissingGreenlet

from kms_schema.crypto import ciphers
from kms_schema.crypto.errors import (
    CryptoError,
    OpeningRefusedError,
    RootKeyError,
    RootUnavailableError,
    WrappingKeyError,
)
from kms_schema.crypto.roots import Root, SecretRoot
from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.envelope_format import EnvelopeFormat

MOST_CHARACTERS = 255
"""The length of `key_versions.wrapping_key_ref`."""


class RootKeys:
    """Root keys by reference, which wrap and unwrap. `close`, or the end of a `with` block, closes the roots.

    A reference is the value of `key_versions.wrapping_key_ref`. It is looked up here and nowhere else: a client that
    can write to the database must not be able to name a path or an address to open.
    """

    def __init__(self, roots: Mapping[str, Root | Secret]) -> None:
        """Take over roots by their references; a `Secret` is a key in memory.

        Raises `RootKeyError` for keys that cannot be root keys, and for two in memory that are equal.
        """
        self._roots: dict[str, Root] = {}
        for reference, given in roots.items():
            _check_reference(reference)
            root = SecretRoot(given, name=repr(reference)) if isinstance(given, Secret) else given
            twin = next((other for other, same in self._roots.items() if _are_same(root, same)), None)
            if twin is not None:
                raise RootKeyError(
                    f"the root keys {twin!r} and {reference!r} are the same: rewrapping would change nothing"
                )
            self._roots[reference] = root

    @classmethod
    def from_files(cls, files: Mapping[str, str | Path]) -> Self:
        """Return the root keys in files: 32 random bytes in standard base64, as `openssl rand -base64 32` prints them.

        files: paths by reference; a reference is the text of `wrapping_key_ref`, at most 255 characters. The keys stay
        in the memory of this process until `close`; access to it, or to a file, gives access to all that is under them.

        Raises `RootKeyError` with the path if a file cannot be read, is not a key, can be read by others, or can be
        changed by its group. Example::

            with RootKeys.from_files({"kms://root-2026": "/run/secrets/root-2026.key"}) as root_keys:
                wrapping = KeyWrapping(root_keys)
        """
        return cls({reference: SecretRoot.from_file(path) for reference, path in files.items()})

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Self:
        """Return the root keys in environment variables.

        variables: names of variables by reference. Child processes inherit them, and /proc shows them to the same user:
        prefer a file. Raises `RootKeyError` if a variable is not set, or is not a key. Example::

            RootKeys.from_environment({"kms://root-2026": "ROOT_KEY"})
        """
        return cls({reference: SecretRoot.from_environment(variable) for reference, variable in variables.items()})

    @classmethod
    def joined(cls, several: "tuple[RootKeys, ...]") -> Self:
        """Return the roots of several objects in one, without a check; the first that has a reference counts."""
        made = cls({})
        for each in reversed(several):
            made._roots |= each._roots
        return made

    def replaced(self, change: Callable[[Root], Root]) -> "RootKeys":
        """Return the same references with what `change` returns for each root."""
        made = RootKeys({})
        made._roots = {reference: change(root) for reference, root in self._roots.items()}
        return made

    def __contains__(self, reference: object) -> bool:
        """Return whether there is a root of this reference."""
        return reference in self._roots

    def items(self) -> list[tuple[str, Root]]:
        """Return references and roots."""
        return list(self._roots.items())

    def wrap(self, reference: str, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
        """Return an envelope of `plaintext` under the root key that `reference` names, in the format `form`.

        associated_data: bytes that `unwrap` must be given again. Raises `WrappingKeyError` for an unknown reference,
        `MaterialError` for empty plaintext, and what the root raises.
        """
        with self._row_key(reference, form, associated_data) as row_key:
            return ciphers.encrypt_row(row_key, form, plaintext, associated_data)

    def unwrap(self, reference: str, envelope: bytes, associated_data: bytes) -> Secret:
        """Return the plaintext of an envelope.

        reference, associated_data: those that `wrap` was given. Raises `OpeningRefusedError` if they or the envelope
        are others, `WrappingKeyError` for an unknown reference, and what the root raises.
        """
        form = ciphers.form_of(envelope)
        with self._row_key(reference, form, associated_data) as row_key:
            try:
                return ciphers.decrypt_row(row_key, envelope, associated_data)
            except OpeningRefusedError as error:
                refused = OpeningRefusedError(
                    f"{error}. The root key {reference!r} is {_place(self._roots[reference])} here; to try it on"
                    " every row, run kms-schema roots check"
                )
                refused.without_advice = str(error)
                raise refused from None

    def _row_key(self, reference: str, form: EnvelopeFormat, associated_data: bytes) -> Secret:
        root = self._roots.get(reference)
        if root is None:
            given = f"only {', '.join(map(repr, sorted(self._roots)))}" if self._roots else "and no other one"
            raise WrappingKeyError(
                f"the root key {reference!r} is not given, {given}: name its place with --root-key {reference}=FILE or"
                " in KMS_ROOT_KEYS; a program gives it to RootKeys"
            )
        try:
            row_key = root.derive(ciphers.derivation_message(form, associated_data))
        except Exception as error:
            if isinstance(error, CryptoError | MissingGreenlet):
                raise
            # Of a root of others: its message is not ours, and may say more than it should.
            raise RootUnavailableError(
                f"the root key {reference!r} ({root.type}) cannot be used: {type(error).__name__}"
            ) from None
        if len(row_key) != ciphers.WRAPPING_KEY_BYTES:
            with row_key:
                raise WrappingKeyError(
                    f"the root key {reference!r} ({root.type}) answers with {len(row_key)} bytes where HMAC-SHA-256 has"
                    f" {ciphers.WRAPPING_KEY_BYTES}: it is no root key"
                )
        return row_key

    def close(self) -> None:
        """Close the roots and remove them."""
        while self._roots:
            self._roots.popitem()[1].close()

    def __repr__(self) -> str:
        """Show the references only."""
        return f"<{type(self).__name__} {', '.join(map(repr, self._roots)) or 'closed'}>"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the roots."""
        self.close()


def _are_same(one: Root, other: Root) -> bool:
    return isinstance(one, SecretRoot) and isinstance(other, SecretRoot) and one.is_same(other)


def _place(root: Root) -> str:
    """Return where a root is. The names of keys of other providers are not ours to show."""
    return f"{root.type}:{root.key}" if isinstance(root, SecretRoot) and root.type != "memory" else f"of {root.type}"


def _check_reference(reference: str) -> None:
    if not reference.strip() or len(reference) > MOST_CHARACTERS:
        raise RootKeyError(f"a reference has 1 to {MOST_CHARACTERS} characters, not all blank")
