"""Wraps and unwraps the material of key versions and the credentials of HSMs, through the models. Example::

wrapping = KeyWrapping(RootKeys.from_files({"kms://root-2026": "/run/secrets/root-2026.key"}))
version = wrapping.generate(key, under="kms://root-2026")
session.add(version)
…
with wrapping.unwrap(version) as material:
    AESGCM(material.view).encrypt(…)
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kms_schema.crypto import bindings, ciphers
from kms_schema.crypto.bindings import StoredKey, StoredVersion
from kms_schema.crypto.ciphers import has_check_value, key_check_value
from kms_schema.crypto.errors import MaterialError, NoMaterialError, OpeningRefusedError, WrappingKeyError
from kms_schema.crypto.root_keys import RootKeys
from kms_schema.crypto.secret import Credentials, Secret
from kms_schema.envelope_format import EnvelopeFormat
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion
from kms_schema.vocabulary import KeyType

Wrapper = str | KeyVersion
"""The reference of a root key, or a version of a key encryption key in the database."""

DEFAULT_FORMAT = EnvelopeFormat.AES_256_GCM


class KeyWrapping:
    """Creates and opens the envelopes in `encrypted_key_data` and `authentication_config`.

    It sets attributes of models; the application's session writes them. It reads relationships through the session of
    the objects. Like a session, it is for one thread at a time.
    """

    def __init__(self, *roots: RootKeys) -> None:
        """Use these root keys; the first that has a reference is used for it. The caller closes them."""
        self._roots = RootKeys.joined(roots)
        self._held: dict[Any, Secret] = {}

    def generate(
        self,
        key: KeyMaster,
        *,
        under: Wrapper,
        version_number: int | None = None,
        form: EnvelopeFormat = DEFAULT_FORMAT,
    ) -> KeyVersion:
        """Return a new version of `key` with `key_size_bits` random bits from the operating system.

        under, version_number, form: as for `wrap`. Raises the same errors as `wrap`.
        Keys with a structure (TLS, RSA) are made
        elsewhere, and stored with `wrap`. Example::

            session.add(wrapping.generate(key, under="kms://root-2026"))
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
        """Return a new version of `key` with `material`, for the caller to add to a session and to activate.

        material: `key_size_bits` long; the caller wipes it. under: the wrapper, a root key's reference or a version of
        a key encryption key. version_number: by default the number after the last of `key.versions`. form: the format
        of the envelope.

        Sets the id of the version, and of a key that has none: the envelope is bound to them. Raises `MaterialError` if
        the material has another length or is one byte repeated, `NoMaterialError` if an HSM holds the key, and
        `WrappingKeyError` if `under` cannot wrap it. It raises as `unwrap` does if `under` is a version that does not
        open. Example::

            with Secret(bytearray(tls_key)) as material:
                session.add(wrapping.wrap(key, material, under="kms://root-2026"))
        """
        if key.hsm_key_id is not None:
            raise NoMaterialError(f"key {key.key_id!r} is held in an HSM: its material is not in the database")
        if len(material) != _size(key):
            raise MaterialError(f"key {key.key_id!r} has {key.key_size_bits} bits, the material {len(material)} bytes")
        if material.is_constant():
            raise MaterialError(f"the material of key {key.key_id!r} is one byte repeated, such as zeros: it is no key")
        if version_number is None:
            version_number = max((version.version_number for version in key.versions), default=0) + 1
        key.id = key.id or bindings.time_ordered_id()
        version_id = bindings.time_ordered_id()
        place = bindings.of_key_version(version_id, version_number, key)
        envelope = self._wrap(place, key, material, under, form)
        return KeyVersion(
            id=version_id,
            key=key,
            version_number=version_number,
            key_checksum=key_check_value(material.view, key.key_id, version_number),
            **_columns(envelope, under),
        )

    def unwrap(self, version: KeyVersion | StoredVersion) -> Secret:
        """Return the material of a version; end its `with` block, or call `wipe`, as soon as it has been used.

        Raises `OpeningRefusedError` if the envelope, the row that it is bound to, or the `check_value` was changed.
        Raises `NoMaterialError` if there is no envelope, and `WrappingKeyError` if its reference has no root key.
        Example::

            with wrapping.unwrap(version) as material:
                ciphertext = AESGCM(material.view).encrypt(nonce, data, None)
        """
        key = version.key
        envelope = _envelope(version)
        bindings.check_metadata(envelope, version.encryption_metadata)
        place = bindings.of_key_version(version.id, version.version_number, key)
        if version.wrapping_key_ref is not None:
            material = self._roots.unwrap(version.wrapping_key_ref, envelope, place)
        elif version.wrapped_by is None:
            raise WrappingKeyError(f"{_named(version)} names no wrapper")
        else:
            with self._kek(version.wrapped_by) as kek:
                material = ciphers.decrypt(kek.view, envelope, place)
        if len(material) != _size(key):
            raise OpeningRefusedError(f"{_named(version)} does not have the size of its key")
        if not has_check_value(material.view, key.key_id, version.version_number, version.key_checksum or ""):
            raise OpeningRefusedError(
                f"{_named(version)} does not have the key check value of its row", reason="check_value"
            )
        return material

    def rewrap(self, version: KeyVersion, *, under: Wrapper, form: EnvelopeFormat | None = None) -> None:
        """Put the material of a version into a new envelope under another wrapper. The material stays the same.

        under: the new wrapper. form: by default the format of the present envelope.

        Raises as `unwrap` and `wrap` do, and `WrappingKeyError` if `under` is the present wrapper: the database accepts
        a new envelope only with a new wrapper. `kms_schema.crypto.rewrap` does this for all dependents of a wrapper.
        """
        envelope = self.rewrapped(version, under=under, form=form)
        for column, value in _columns(envelope, under).items():
            setattr(version, column, value)

    def rewrapped(self, version: KeyVersion, *, under: Wrapper, form: EnvelopeFormat | None = None) -> bytes:
        """Return the envelope that `rewrap` would set for `version`, and change nothing.

        under, form: as for `rewrap`. Raises `WrappingKeyError` and the other errors of `rewrap`.
        """
        if under in (version.wrapping_key_ref, version.wrapped_by):
            raise WrappingKeyError(f"{_named(version)} is wrapped under that key already")
        with self.unwrap(version) as material:
            form = form or EnvelopeFormat(_envelope(version)[0])
            place = bindings.of_key_version(version.id, version.version_number, version.key)
            return self._wrap(place, version.key, material, under, form)

    @contextmanager
    def holding(self, kek: KeyVersion) -> Iterator[None]:
        """Keep a key encryption key unwrapped inside the block: one call of the root for many versions under it.

        Raises as `unwrap` does, and `WrappingKeyError` if it is not a key encryption key.
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
        """Set the credentials of a configuration, wrapped by a root key.

        credentials: values that JSON can express. under: the reference of a root key. A key in the database
        cannot be used: the table references none, so the database could not refuse its destruction.

        Raises `MaterialError` if JSON cannot express the credentials, and `WrappingKeyError` if there is no
        such root key. Example::

            wrapping.encrypt_credentials(configuration, {"pin": pin}, under="kms://root-2026")
        """
        hidden = Credentials(credentials)
        del credentials  # so that a traceback with its variables does not have them
        place = bindings.of_configuration(configuration)
        with hidden.secret() as secret:
            form = EnvelopeFormat.AES_256_GCM
            configuration.authentication_config = self._roots.wrap(under, form, secret.view, place)
        configuration.wrapping_key_ref = under

    def decrypt_credentials(self, configuration: HsmConfiguration, *under: str) -> Credentials:
        """Return the credentials of a configuration, a dictionary whose `repr` shows no values.

        under: references to try if the row names no wrapping key, or after the wrapping key that it names.

        Raises `OpeningRefusedError` if none of the keys opens the envelope, and `NoMaterialError` if no credentials are
        stored. Raises `WrappingKeyError` if a reference that is tried has no root key, or no key is named. Example::

            pin = wrapping.decrypt_credentials(configuration)["pin"]
        """
        _credentials_of(configuration)
        tried = tuple(dict.fromkeys(filter(None, (configuration.wrapping_key_ref, *under))))
        if not tried:
            raise WrappingKeyError("the row names no wrapping key: name the keys to try")
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
        """Return the credentials as JSON, opened with this key only. Raises as `decrypt_credentials` does."""
        envelope = _credentials_of(configuration)
        return self._roots.unwrap(reference, envelope, bindings.of_configuration(configuration))

    def rewrapped_credentials(self, configuration: HsmConfiguration, source: str, *, under: str) -> bytes:
        """Return the credentials, now under `source`, in a new envelope under another root key.

        The configuration stays unchanged. Raises as `open_credentials` does, and `WrappingKeyError` if
        there is no such root key.
        """
        with self.open_credentials(configuration, source) as secret:
            place = bindings.of_configuration(configuration)
            return self._roots.wrap(under, EnvelopeFormat.AES_256_GCM, secret.view, place)

    def has_root(self, reference: str) -> bool:
        """Return whether there is a root key of this reference."""
        return reference in self._roots

    def _wrap(self, place: bytes, key: KeyMaster, material: Secret, under: Wrapper, form: EnvelopeFormat) -> bytes:
        if isinstance(under, str):
            return self._roots.wrap(under, form, material.view, place)
        if under.key is key:
            raise WrappingKeyError(f"a version of key {key.key_id!r} cannot wrap another of the same key")
        with self._kek(under) as kek:
            return ciphers.encrypt(kek.view, form, material.view, place)

    def _kek(self, version: KeyVersion | StoredVersion) -> Secret:
        """Return a key encryption key for the caller to wipe."""
        if version.key.key_type != KeyType.KEK:
            raise WrappingKeyError(f"{_named(version)} is not a key encryption key")
        if version.id in self._held:
            return Secret.copy_of(self._held[version.id].view)
        seen = {id(version)}
        above: KeyVersion | StoredVersion | None = version.wrapped_by
        while above is not None:  # the database refuses cycles; with its triggers disabled there can be one
            if id(above) in seen:
                raise WrappingKeyError(f"{_named(version)} is wrapped by itself")
            seen.add(id(above))
            above = above.wrapped_by
        return self.unwrap(version)


def _columns(envelope: bytes, under: Wrapper) -> dict[str, Any]:
    """Return the columns of a version for its envelope."""
    return {
        "encrypted_key_data": envelope,
        "encryption_metadata": bindings.metadata(EnvelopeFormat(envelope[0])),
        "wrapping_key_ref": under if isinstance(under, str) else None,
        "wrapped_by": None if isinstance(under, str) else under,
    }


def _envelope(version: KeyVersion | StoredVersion) -> bytes:
    if version.encrypted_key_data is None:
        why = "is destroyed" if version.is_destroyed else "is held in an HSM"
        raise NoMaterialError(f"{_named(version)} {why}: there is no material in the database")
    return version.encrypted_key_data


def _credentials_of(configuration: HsmConfiguration) -> bytes:
    if configuration.authentication_config is None:
        raise NoMaterialError(f"no credentials are stored for {configuration.configuration_name!r}")
    return configuration.authentication_config


def _size(key: KeyMaster | StoredKey) -> int:
    """Return the length of a key's material in bytes."""
    return (key.key_size_bits + 7) // 8


def _named(version: KeyVersion | StoredVersion) -> str:
    return f"version {version.version_number} of key {version.key.key_id!r}"
