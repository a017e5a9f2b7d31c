"""The key ring: what an application uses to encrypt, and an operator to create and rotate keys."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, Self

import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret
from kms_schema.crypto.secret import BytesLike, check_bytes
from kms_schema.keyring.descriptions import CiphertextDescription, KeyDescription
from kms_schema.keyring.errors import UnknownKeyError
from kms_schema.keyring.formats.errors import NotACiphertextError
from kms_schema.keyring.formats.prefix import Form, read_message_prefix, read_prefix
from kms_schema.keyring.key import Key
from kms_schema.keyring.lifecycle.new_keys import NewKey
from kms_schema.keyring.operations import RingOperations
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.use.cache import CachePolicy
from kms_schema.keyring.waiting.waits import Waits
from kms_schema.text.storable import check_is_text, check_texts
from kms_schema.vocabulary import KeyStatus, KeyType

_REVOKE_NOW = (
    "Or revoke it now (--now): then only commands with --from-revoked open its ciphertexts. A login in kms_app can"
    " declare any column, and the entries KEY_CHANGED of the key name that login"
)


class KeyRing(RingOperations):
    """The keys of one database, for applications and operators. Threads may share it, and processes may fork with it.

    - `engine`: the database; the ring opens connections of its own to it, at most three at once
    - `roots`: root keys, such as `RootKeys.from_files(…)` or `kms_schema.roots.open_roots(…)`; the caller closes them
    - `schema`: the schema of the tables on PostgreSQL
    - `cache`: how long the ring relies on what it has read
    - `hsms`: the `pkcs11:` URIs of HSMs that hold keys, by their names in the database (page "keyring" of the
      documentation)

    Close it at the end, or use it in a `with` block. Raises `TokenUriError` for a text that is no such URI. Example::

        with KeyRing(engine, RootKeys.from_files({"kms://root-2026": path})) as ring:
            ring.create("kek-2026", under="kms://root-2026", key_type="kek")
            ring.create("orders", under="kek-2026")
            blob = ring.key("orders").encrypt(b"DE89 3704", aad=b"invoice/17/iban")
    """

    _make_waits: Callable[[], Waits] = Waits

    def __init__(
        self,
        engine: sa.Engine,
        roots: RootKeys | Iterable[RootKeys],
        *,
        schema: str = "public",
        cache: CachePolicy = CachePolicy(),  # noqa: B008  (immutable)
        hsms: Mapping[str, str] | None = None,
    ) -> None:
        """Open the ring; nothing is read yet."""
        waits = self._make_waits()
        super().__init__(RingParts(engine, roots, schema=schema, cache=cache, hsms=hsms, waits=waits))

    def key(self, key_id: str) -> Key:
        """Return the key with this name for use. Nothing is read before it is used."""
        return Key(self._parts, key_id)

    def create(  # noqa: PLR0913  (each is a property of the key)
        self,
        key_id: str,
        *,
        under: str | None = None,
        key_type: str = "dek",
        algorithm: str | None = None,
        key_size_bits: int = 256,
        material: BytesLike | Secret | None = None,
        hsm: str | None = None,
        ciphertext_tag: int | None = None,
        used: int = 0,
        actor: str | None = None,
        **columns: Any,
    ) -> KeyDescription:
        """Register a key, give it its first version and activate it, in one transaction.

        - `key_id`: its name. `under`: the name of a KEK, or a root such as `kms://root-2026`; or `hsm`: the name of the
          HSM that makes and holds the key, a `dek` or `hsm` key of `AES-256-GCM`
        - `key_type`: `dek`, `kek`, `tls`, `backup` or `hsm`. `algorithm`: of a dek `XAES-256-GCM` (the default) or
          `AES-256-GCM`. `key_size_bits`: bits of the key
        - `material`: of a key made elsewhere, `key_size_bits` long and random. `ciphertext_tag`: its tag there, such as
          the key id of a Tink keyset. `used`: the number of its encryptions so far
        - `actor`: the user in the entries of the audit log
        - `columns`: of the key: `expires_at`, `max_usage_count`, `parent_key_id`, `security_level`, `compliance_tags`,
          `derivation_path`, `hsm_metadata`; and `activated_at`, the time in the past since which an imported key is in
          use

        Needs kms_admin and kms_rotator. With kms_admin alone the key is registered and pending, and `next_step` of the
        result says how a login in kms_rotator gives it a version: by the same call. Raises `KeyExistsError`,
        `UnknownKeyError` and `WrapperUnavailableError` for `under`, `MaterialUnavailableError` if the wrapper does not
        open, `MaterialUnavailableError` (`hsm`), `KeyExistsError` (`ciphertext_tag`), `UnsupportedKeyError`,
        `KeyNotPermittedError`, and `TypeError` for other columns. Example::

            ring.create("orders", under="kek-2026", max_usage_count=10**9, actor="alice")
        """
        self._parts.check_open()
        if material is not None and not isinstance(material, Secret):
            check_bytes(material=material)
        secret = material if isinstance(material, Secret) or material is None else Secret.copy_of(material)
        is_copy = secret is not material
        del material  # so that a traceback with its variables does not have it
        try:
            kind = KeyType(key_type)
            new = NewKey(key_id, under, kind, algorithm, key_size_bits, secret, hsm, ciphertext_tag, used, columns)
            described = self._parts.registry.create(new, actor)
        finally:
            if secret is not None and is_copy:
                secret.wipe()
        self._parts.forget(key_id)
        return described

    def rotate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Give a key a new version, which is live at once; the old one ends, and decrypts as before.

        The new version is under the live version of the key that wraps the old one, or under the same root. One
        transaction; needs kms_rotator. Raises `UnknownKeyError`, `KeyStateError` for a key that is not active or has no
        live version, `WrapperUnavailableError`, `MaterialUnavailableError`, `KeyNotPermittedError`.
        """
        self._parts.check_open()
        described = self._parts.registry.rotate(key_id, actor)
        self._parts.forget(key_id)
        return described

    def activate(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Activate a pending key, and its last version if none is live. Needs kms_rotator.

        Raises `KeyStateError` (`no_live_version`) for a key without a version, and otherwise as `expire` does.
        """
        return self._change(key_id, KeyStatus.ACTIVE, actor)

    def expire(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Have a key decrypt only. Needs kms_rotator.

        Raises `UnknownKeyError`, `KeyStateError` (`status_change`) where the lifecycle of keys does not allow it, and
        `KeyNotPermittedError`.
        """
        return self._change(key_id, KeyStatus.EXPIRED, actor)

    def archive(self, key_id: str, *, actor: str | None = None) -> KeyDescription:
        """Archive a key that is rotated, expired or revoked: it is not used any more.

        Raises `KeyInUseError` while a declared column holds ciphertexts of it, and as `expire` does.
        """
        self._parts.check_open()
        self._parts.declarations.refuse_if_used(key_id, "archived")
        return self._change(key_id, KeyStatus.ARCHIVED, actor)

    def revoke(self, key_id: str, *, reason: str, now: bool = False, actor: str | None = None) -> KeyDescription:
        """Revoke the key named `key_id`: it neither encrypts nor decrypts any more, everywhere within `max_age`.

        Needs kms_rotator. `reason` is stored with the key and in the audit log: write no secret into it. `actor` is the
        user in the entry. While a declared column holds ciphertexts of the key, or cannot be read, it is refused with
        `KeyInUseError` unless `now`: only `revoked_key` opens them afterwards. Raises `ValueError` for a reason that is
        blank or that no database stores, and otherwise as `expire` does.
        """
        self._parts.check_open()
        check_is_text(key_id=key_id, reason=reason)
        check_texts(reason=reason)
        if not reason.strip():
            raise ValueError("give the reason of the revocation: it is stored with the key")
        if not now:
            self._parts.declarations.refuse_if_used(key_id, "revoked", _REVOKE_NOW)
        return self._change(key_id, KeyStatus.REVOKED, actor, reason)

    def inspect(self, blob: BytesLike) -> CiphertextDescription:
        """Return which version made a ciphertext, a message or a stream. No root key is needed: nothing is opened.

        Raises `UnknownKeyError` (`ciphertext`) for bytes that are no ciphertext, or of no version of this database.
        """
        self._parts.check_open()
        check_bytes(blob=blob)
        try:
            form, tag = read_prefix(blob)
            if form is Form.MESSAGE:
                read_message_prefix(blob)  # its length
        except NotACiphertextError:
            raise UnknownKeyError("these bytes are no ciphertext of a key ring", reason="ciphertext") from None
        state = self._parts.storage.read_tag(tag)
        if state is None or state.version is None:
            raise UnknownKeyError(f"no version has the tag {tag}, or this login may not see it", reason="ciphertext")
        version = state.version
        return CiphertextDescription(
            state.key_id, version.number, tag, state.status, version.is_live, version.is_destroyed
        )

    def close(self) -> None:
        """Write the last entries, close the connections of the ring and forget its material."""
        self._parts.close()

    def _change(self, key_id: str, status: KeyStatus, actor: str | None, reason: str | None = None) -> KeyDescription:
        self._parts.check_open()
        described = self._parts.registry.change_status(key_id, status, reason=reason, actor=actor)
        self._parts.forget(key_id)
        return described

    def __repr__(self) -> str:
        """Show the state only."""
        return f"<{type(self).__name__}, {'closed' if self._parts.is_closed else 'open'}>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle would be a copy of keys."""
        raise TypeError("a key ring is neither pickled nor copied: make one in each process")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the ring."""
        self.close()
