"""Providers of the wrapping keys outside the database, the roots of the hierarchy.

The interface fits PKCS#11: keys are named and never returned, and the provider makes and opens whole envelopes.
"""

from collections.abc import Set as AbstractSet
from typing import Protocol

from kms_schema.crypto.errors import WrappingKeyError
from kms_schema.crypto.secret import BytesLike, Secret
from kms_schema.envelope_format import EnvelopeFormat


class WrappingKeyProvider(Protocol):
    """Wraps and unwraps with keys that it never returns.

    A reference is the value of `key_versions.wrapping_key_ref`, at most 255 characters. The provider looks it up among
    its own names: a client that can write to the database must not be able to name a path or an address to open.

    With PKCS#11, `wrap` is C_DeriveKey with CKM_SP800_108_COUNTER_KDF into a session key that is not extractable, then
    C_Encrypt with CKM_AES_GCM, or C_WrapKey with CKM_AES_KEY_WRAP_KWP. The provider makes the envelope because a token
    may choose the nonce of GCM itself. The bytes are those of docs/crypto.md, so a key can move into an HSM.
    """

    def formats(self, reference: str) -> AbstractSet[EnvelopeFormat]:
        """Return the formats that it makes and opens with this key; empty for a key that it does not have."""

    def wrap(self, reference: str, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
        """Return an envelope of the plaintext, which opens only with the same `associated_data`, in either format.

        reference: the name of the key. form: one of `formats`. The provider chooses the nonces: at most 2^32 random
        ones for one key of the cipher. Raises `WrappingKeyError` if it does not have the key.
        """

    def unwrap(self, reference: str, envelope: bytes, associated_data: bytes) -> Secret:
        """Return the plaintext of an envelope.

        reference, associated_data: as for `wrap`. Raises `OpeningRefusedError`, and `WrappingKeyError` as `wrap` does.
        """


class Providers:
    """Several providers as one, for moves between them: the first provider that has a key is used for it."""

    def __init__(self, *providers: WrappingKeyProvider) -> None:
        """Use these providers, in this order."""
        self._providers = providers

    def formats(self, reference: str) -> AbstractSet[EnvelopeFormat]:
        """Return the formats of the provider that has the key; empty if none has it."""
        return next((found for each in self._providers if (found := each.formats(reference))), frozenset())

    def wrap(self, reference: str, form: EnvelopeFormat, plaintext: BytesLike, associated_data: bytes) -> bytes:
        """Return an envelope. Raises `WrappingKeyError` if no provider can make this format with this key."""
        provider = self._with(reference)
        if form not in provider.formats(reference):
            raise WrappingKeyError(f"the provider of {reference!r} does not support {form.algorithm}")
        return provider.wrap(reference, form, plaintext, associated_data)

    def unwrap(self, reference: str, envelope: bytes, associated_data: bytes) -> Secret:
        """Return the plaintext of an envelope. Raises as the provider does, and `WrappingKeyError` without one."""
        return self._with(reference).unwrap(reference, envelope, associated_data)

    def _with(self, reference: str) -> WrappingKeyProvider:
        for provider in self._providers:
            if provider.formats(reference):
                return provider
        raise WrappingKeyError(f"no provider has the wrapping key {reference!r}: configure one that does")
