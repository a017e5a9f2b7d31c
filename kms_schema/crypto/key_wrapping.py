"""Key versions with their material, and HSMs with their credentials, through the models.

wrapping = KeyWrapping(RootKeys.from_files({"kms://root-2026": "/run/secrets/root-2026.key"}))
version = wrapping.generate(key, under="kms://root-2026")
session.add(version)
…
with wrapping.unwrap(version) as material:
    AESGCM(material.view).encrypt(…)
"""

import secrets
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

from kms_schema.crypto import bindings, ciphers
from kms_schema.crypto.check_values import has_check_value, key_check_value
from kms_schema.crypto.credentials import Credentials
from kms_schema.crypto.errors import (
    CheckValueError,
    MaterialError,
    NoMaterialError,
    OpeningRefusedError,
    WrappingKeyError,
)
from kms_schema.crypto.providers import Providers, WrappingKeyProvider
from kms_schema.crypto.secret import Secret
from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion
from kms_schema.vocabulary import KeyType

Wrapper = str | KeyVersion
"""A provider's key by its reference, or a version of a key encryption key that is kept here."""

DEFAULT_FORMAT = EnvelopeFormat.AES_256_GCM


class KeyWrapping:
    """Makes and opens what `encrypted_key_data` and `authentication_config` hold.

    It sets attributes of models and never writes: the session does, when the application flushes it. Relationships are
    read through the session that the objects belong to. Not for several threads at once, as a session is not.
    """

    def __init__(self, *providers: WrappingKeyProvider) -> None:
        """Use the wrapping keys of these providers; a key is with the first that has it."""
        self._providers = Providers(*providers)
        self._held: dict[Any, Secret] = {}

    def generate(
        self,
        key: KeyMaster,
        *,
        under: Wrapper,
        version_number: int | None = None,
        form: EnvelopeFormat = DEFAULT_FORMAT,
    ) -> KeyVersion:
        """Return a new version of `key` with `key_size_bits` from the system's random number generator.

        Raises as `wrap` does. For keys that are random bits: what has a structure (TLS, RSA) is made elsewhere.
        """
        material = bytearray(secrets.token_bytes(_size(key)))
        material[0] >>= -key.key_size_bits % 8  # the bits above the key's size are zero
        with Secret(material) as secret:
            return self.wrap(key, secret, under=under, version_number=version_number, form=form)

    def wrap(
        self,
        key: KeyMaster,
        material: Secret,
        *,
        under: Wrapper,
        version_number: int | None = None,
        form: EnvelopeFormat = DEFAULT_FORMAT,
    ) -> KeyVersion:
        """Return a new version of `key` that holds `material`, for the caller to add to a session and to activate.

        Without `version_number` it is the one after the last of `key.versions`. The id of the version, and of a key
        that has none yet, is made here: the envelope is bound to it. Raises `MaterialError` where the material is not
        of `key_size_bits`, `NoMaterialError` where an HSM holds the key, `WrappingKeyError` where `under` cannot wrap
        it, and as `unwrap` does where `under` is a version and does not open.
        """
        if key.hsm_key_id is not None:
            raise NoMaterialError(f"key {key.key_id!r} is held in an HSM: its material is not kept here")
        if len(material) != _size(key):
            raise MaterialError(f"key {key.key_id!r} has {key.key_size_bits} bits, the material {len(material)} bytes")
        if version_number is None:
            version_number = max((version.version_number for version in key.versions), default=0) + 1
        version = bindings.new_version(key, version_number)
        envelope = self._wrap(version.place, key, material, under, form)
        return KeyVersion(
            id=version.id,
            key=key,
            version_number=version_number,
            key_checksum=key_check_value(material.view, key.key_id, version_number),
            **_columns(envelope, under),
        )

    def unwrap(self, version: KeyVersion) -> Secret:
        """Return the key of a version; leave its `with` block, or call `wipe`, as soon as it has been used.

        Raises `OpeningRefusedError` where the envelope or what it is bound to was changed, `CheckValueError` where the
        check value was, `NoMaterialError` where there is no envelope, `WrappingKeyError` where nobody has its wrapper.
        """
        key = version.key
        envelope = _envelope(version)
        bindings.check_metadata(envelope, version.encryption_metadata)
        material = self._unwrap(bindings.of_version(version), version, envelope)
        if len(material) != _size(key):
            raise OpeningRefusedError(f"{_named(version)} is not of the size that its key has")
        if not has_check_value(material.view, key.key_id, version.version_number, version.key_checksum or ""):
            raise CheckValueError(f"{_named(version)} has another key check value than its row says")
        return material

    def rewrap(self, version: KeyVersion, *, under: Wrapper, form: EnvelopeFormat | None = None) -> None:
        """Put the material of a version into a new envelope under another wrapper; format and key stay as they are.

        Raises as `unwrap` and `wrap` do, and `WrappingKeyError` where it is wrapped so already: the database takes new
        material with a new wrapper only.
        """
        envelope = self.rewrapped(version, under=under, form=form)
        for column, value in _columns(envelope, under).items():
            setattr(version, column, value)

    def rewrapped(self, version: KeyVersion, *, under: Wrapper, form: EnvelopeFormat | None = None) -> bytes:
        """Return the envelope that `rewrap` would put into the version, and leave the version as it is."""
        if under in (version.wrapping_key_ref, version.wrapped_by):
            raise WrappingKeyError(f"{_named(version)} is wrapped under that key already")
        with self.unwrap(version) as material:
            form = form or EnvelopeFormat(_envelope(version)[0])
            return self._wrap(bindings.of_version(version), version.key, material, under, form)

    @contextmanager
    def holding(self, kek: KeyVersion) -> Iterator[None]:
        """Keep a key encryption key open inside the block: for many versions under it, one call of the provider.

        Raises as `unwrap` does, and `WrappingKeyError` where it is no key encryption key.
        """
        with self._kek(kek) as opened:
            outer = self._held.get(kek.id)
            self._held[kek.id] = opened
            try:
                yield
            finally:
                del self._held[kek.id]
                if outer is not None:
                    self._held[kek.id] = outer

    def encrypt_credentials(
        self, configuration: HsmConfiguration, credentials: Mapping[str, Any], *, under: str
    ) -> None:
        """Put credentials (what JSON can say) into the configuration, under a provider's key.

        Not under a key that is kept here: the table refers to none, so the database could not keep that from being
        destroyed. Raises `MaterialError` where JSON cannot say it, `WrappingKeyError` where nobody has the key.
        """
        hidden = Credentials(credentials)
        del credentials  # so that a traceback with its variables does not have them
        place = bindings.of_configuration(configuration)
        with hidden.secret() as secret:
            form = EnvelopeFormat.AES_256_GCM
            configuration.authentication_config = self._providers.wrap(under, form, secret.view, place)
        configuration.wrapping_key_ref = under

    def decrypt_credentials(self, configuration: HsmConfiguration, *under: str) -> Credentials:
        """Return the credentials of a configuration, a dictionary that does not show its values.

        They are opened under the key that the row names. One that was written by a program that does not name it is
        tried under each of `under`. Raises `OpeningRefusedError` where none opens it,
        `NoMaterialError` where there are none, `WrappingKeyError` where nobody has a key that is tried, or none is.
        """
        _credentials_of(configuration)
        tried = tuple(dict.fromkeys(filter(None, (configuration.wrapping_key_ref, *under))))
        if not tried:
            raise WrappingKeyError("name the wrapping keys that the credentials may be under")
        for reference in tried:
            try:
                opened = self.open_credentials(configuration, reference)
            except OpeningRefusedError:
                continue
            with opened:
                return Credentials.of(opened)
        raise OpeningRefusedError(
            f"the credentials of {configuration.configuration_name!r} open under none of {', '.join(map(repr, tried))}"
        )

    def open_credentials(self, configuration: HsmConfiguration, reference: str) -> Secret:
        """Return the credentials as JSON, under this key and no other. Raises as `decrypt_credentials` does."""
        envelope = _credentials_of(configuration)
        return self._providers.unwrap(reference, envelope, bindings.of_configuration(configuration))

    def rewrapped_credentials(self, configuration: HsmConfiguration, source: str, *, under: str) -> bytes:
        """Return the credentials, which are under `source`, in a new envelope under another key of a provider.

        The configuration is left as it is. Raises as `open_credentials` does, and `WrappingKeyError` where nobody has
        the other key.
        """
        with self.open_credentials(configuration, source) as secret:
            place = bindings.of_configuration(configuration)
            return self._providers.wrap(under, EnvelopeFormat.AES_256_GCM, secret.view, place)

    def formats(self, reference: str) -> AbstractSet[EnvelopeFormat]:
        """Return the formats that a provider makes under this key; none where nobody has it."""
        return self._providers.formats(reference)

    def _wrap(self, place: bytes, key: KeyMaster, material: Secret, under: Wrapper, form: EnvelopeFormat) -> bytes:
        if isinstance(under, str):
            return self._providers.wrap(under, form, material.view, place)
        if under.key is key:
            raise WrappingKeyError(f"a version of key {key.key_id!r} cannot wrap another of the same key")
        with self._kek(under) as kek:
            return ciphers.encrypt(kek.view, form, material.view, place)

    def _unwrap(self, place: bytes, version: KeyVersion, envelope: bytes) -> Secret:
        if version.wrapping_key_ref is not None:
            return self._providers.unwrap(version.wrapping_key_ref, envelope, place)
        if version.wrapped_by is None:
            raise WrappingKeyError(f"{_named(version)} names no wrapper")
        with self._kek(version.wrapped_by) as kek:
            return ciphers.decrypt(kek.view, envelope, place)

    def _kek(self, version: KeyVersion) -> Secret:
        """Return a key encryption key for the caller to wipe."""
        if version.key.key_type != KeyType.KEK:
            raise WrappingKeyError(f"{_named(version)} is no key encryption key")
        if version.id in self._held:
            return Secret.copy_of(self._held[version.id].view)
        seen = {id(version)}
        above = version.wrapped_by
        while above is not None:  # the database lets no circle in; whoever gets past it could let us go round for ever
            if id(above) in seen:
                raise WrappingKeyError(f"{_named(version)} is wrapped by itself")
            seen.add(id(above))
            above = above.wrapped_by
        return self.unwrap(version)


def _columns(envelope: bytes, under: Wrapper) -> dict[str, Any]:
    """Return what a version says of its envelope."""
    return {
        "encrypted_key_data": envelope,
        "encryption_metadata": bindings.metadata(EnvelopeFormat(envelope[0])),
        "wrapping_key_ref": under if isinstance(under, str) else None,
        "wrapped_by": None if isinstance(under, str) else under,
    }


def _envelope(version: KeyVersion) -> bytes:
    if version.encrypted_key_data is None:
        why = "is destroyed" if version.destroyed_at is not None else "is held in an HSM"
        raise NoMaterialError(f"{_named(version)} {why}: there is no material here")
    return version.encrypted_key_data


def _credentials_of(configuration: HsmConfiguration) -> bytes:
    if configuration.authentication_config is None:
        raise NoMaterialError(f"no credentials are stored for {configuration.configuration_name!r}")
    return configuration.authentication_config


def _size(key: KeyMaster) -> int:
    """Return the length of a key's material in bytes."""
    return (key.key_size_bits + 7) // 8


def _named(version: KeyVersion) -> str:
    return f"version {version.version_number} of key {version.key.key_id!r}"
