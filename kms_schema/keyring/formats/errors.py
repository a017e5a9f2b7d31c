"""Errors of ciphertexts. No message quotes material, plaintext, a ciphertext or associated data."""

from typing import Literal

from kms_schema.crypto.errors import CryptoError


class CiphertextError(CryptoError):
    """The base class of the errors about ciphertexts."""

    @property
    def hint(self) -> str | None:
        """The form of the bytes, by their first one, which is public: they are a stream or a message, not the other."""
        return str(self) if self.reason == "other_form" else None


class NotACiphertextError(CiphertextError, ValueError):
    """The bytes have no prefix of a ciphertext. They may be plaintext, so no message quotes them.

    `other_form`: they begin as a ciphertext of the other form does: a stream for a message, or a message for a stream.
    """

    reason: Literal["other_form"] | None


class DoesNotOpenError(CiphertextError):
    """A ciphertext does not open. There is one message for every cause, so that an attacker learns nothing from it.

    Causes: other associated data, another key, a changed, shortened, extended or reordered ciphertext.
    """

    def __init__(self) -> None:
        """Make the error with its only message."""
        super().__init__(
            "the ciphertext does not open: it was changed or is incomplete, or its key or associated data is another"
        )

    def __reduce__(self) -> tuple[type["DoesNotOpenError"], tuple[()]]:
        """Take no message in another process either."""
        return type(self), ()


class CipherKeyError(CiphertextError, ValueError):
    """A key cannot encrypt: its algorithm is unknown, or its material or ciphertext tag does not fit the algorithm."""


class MessageSizeError(CiphertextError, ValueError):
    """A message, its associated data or a stream is longer than its format allows."""


class BoundValueError(CiphertextError, TypeError):
    """A name or a value of a row cannot be bound to a ciphertext. The message names the column and the type."""
