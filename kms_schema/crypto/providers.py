"""Who holds the wrapping keys that are not kept in the database: the root of the hierarchy.

The interface is shaped so that PKCS#11 can be behind it: keys are named, never handed out, and the provider makes and
opens whole envelopes.
"""

from collections.abc import Set as AbstractSet
from typing import Protocol

from kms_schema.crypto.errors import WrappingKeyError
from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.envelope_format import EnvelopeFormat


class WrappingKeyProvider(Protocol):
    """Wraps and unwraps under keys that stay with it.

    A reference is what `key_versions.wrapping_key_ref` holds (at most 255 characters). It is a name that the provider
    looks up among its own: whoever can write into the database must not be able to name a path or an address that is
    then opened.

    With PKCS#11, `wrap` is C_DeriveKey with CKM_SP800_108_COUNTER_KDF into a session key that is not extractable, then
    C_Encrypt with CKM_AES_GCM, or C_WrapKey with CKM_AES_KEY_WRAP_KWP; a token that chooses GCM's nonce itself is
    why the provider makes the envelope. The bytes are those of docs/crypto.md, so that a key may move into the HSM.
    """

    def formats(self, reference: str) -> AbstractSet[EnvelopeFormat]:
        """Return the formats that it makes and opens under this key; none for a key that it does not have."""

    def wrap(self, reference: str, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
        """Return an envelope that opens with `associated_data` only, in either format.

        The provider answers for the nonces: no more than 2^32 random ones under one key of the cipher.
        Raises `WrappingKeyError` where it does not have the key.
        """

    def unwrap(self, reference: str, envelope: bytes, associated_data: bytes) -> Secret:
        """Return what is in an envelope. Raises `OpeningRefusedError`, and `WrappingKeyError` as `wrap` does."""


class Providers:
    """Several providers as one: a key is with the first that has it. That is how keys move from one to another."""

    def __init__(self, *providers: WrappingKeyProvider) -> None:
        """Ask these, in this order."""
        self._providers = providers

    def formats(self, reference: str) -> AbstractSet[EnvelopeFormat]:
        """Return the formats of the provider that has the key; none where no provider has."""
        return next((found for each in self._providers if (found := each.formats(reference))), frozenset())

    def wrap(self, reference: str, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
        """Return the envelope. Raises `WrappingKeyError` where nobody can make one of this format under this key."""
        provider = self._with(reference)
        if form not in provider.formats(reference):
            raise WrappingKeyError(f"the provider of {reference!r} makes no {form.algorithm}")
        return provider.wrap(reference, form, plaintext, associated_data)

    def unwrap(self, reference: str, envelope: bytes, associated_data: bytes) -> Secret:
        """Return what is in the envelope. Raises as the provider does, and `WrappingKeyError` where nobody has it."""
        return self._with(reference).unwrap(reference, envelope, associated_data)

    def _with(self, reference: str) -> WrappingKeyProvider:
        for provider in self._providers:
            if provider.formats(reference):
                return provider
        raise WrappingKeyError(f"no provider has the wrapping key {reference!r}: configure one that does")
