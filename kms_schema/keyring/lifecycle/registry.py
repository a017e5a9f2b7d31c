"""Makes keys and versions, and changes the status of keys: one transaction each."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import CryptoError, KeyWrapping, RootKeys, Secret, Wrapper
from kms_schema.crypto.wrappers import require_same_root
from kms_schema.keyring.columns.host_columns import ELSEWHERE
from kms_schema.keyring.database.driver_errors import again_if_overtaken, is_refused
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.keyring.errors import KeyStateError, MaterialUnavailableError, UnsupportedKeyError
from kms_schema.keyring.lifecycle.key_rows import (
    end_version,
    live_version,
    locked_key,
    require_live,
    wrapper_named,
    wrapper_of,
)
from kms_schema.keyring.lifecycle.new_keys import NewKey, registered
from kms_schema.keyring.use.audit_entries import append, import_entry, use_entry
from kms_schema.keyring.use.opener import HeldKeys
from kms_schema.keyring.use.states import ENCRYPTING
from kms_schema.models import KeyMaster, KeyVersion, current_time
from kms_schema.vocabulary import KEY_LIFECYCLE, KeyStatus, KeyType, UseEvent

_ADMIN = "kms_admin, and in kms_rotator for its version"
_ROTATOR = "kms_rotator"


class Registry:
    """Changes the keys of one database."""

    def __init__(self, storage: Storage, roots: Sequence[RootKeys], held: HeldKeys) -> None:
        """Write through `storage`, wrap with `roots`, and make keys in the HSMs of `held`."""
        self._storage = storage
        self._roots = roots
        self._held = held

    def create(self, new: NewKey, actor: str | None) -> KeyDescription:
        """Register a key, give it a version and activate it; of a key that is registered and has none, the rest."""
        if new.ciphertext_tag is not None:
            return self._create(new, actor)
        return again_if_overtaken(lambda: self._create(new, actor))

    def _create(self, new: NewKey, actor: str | None) -> KeyDescription:
        fresh = new.master()
        if new.ciphertext_tag is not None and new.key_type in ENCRYPTING:  # where it has this tag, it has encrypted
            fresh.encrypted_columns = [ELSEWHERE.document(self._storage.dialect)]
        with self._storage.session(new.key_id, _ADMIN, actor) as session:
            if new.hsm is not None:
                self._held.place(session, fresh, new.hsm)
            key = registered(session, new, fresh)
            try:
                with session.begin_nested():
                    version = self._first_version(session, key, new)
            except sa.exc.DBAPIError as error:
                if not is_refused(error) or key is not fresh:
                    raise
                return KeyDescription(
                    new.key_id, key.key_type, key.algorithm, KeyStatus.PENDING, None,
                    f"the key is registered and pending: a login in kms_rotator gives it a version with {new.call}",
                )  # fmt: skip
            if new.activated_at is not None:
                entry = import_entry(key.id, new.key_id, new.activated_at, new.used)
                append(session, entry, new.key_id)
            if new.origin is not None:
                description = f"key taken over: {new.key_id}, from {new.origin['from_key']}"
                entry = use_entry(UseEvent.KEY_TAKEN_OVER, key.id, description, new.origin, actor)
                append(session, entry, new.key_id)
            return KeyDescription(new.key_id, key.key_type, key.algorithm, KeyStatus.ACTIVE, version.version_number)

    def _first_version(self, session: Session, key: KeyMaster, new: NewKey) -> KeyVersion:
        wrapper = None
        if new.under is None:
            require_rotator(session)  # before the HSM makes an object in vain
            version = self._held.new_version(session, key)
        else:
            wrapper = wrapper_named(session, new.under, new.key_id)
            version = self._wrapped(session, key, new.material, wrapper)
        version.usage_count = new.used
        if new.ciphertext_tag is not None:
            version.ciphertext_tag = new.ciphertext_tag
        if new.activated_at is None:
            version.activated_at = current_time()
        else:
            version.created_at = version.activated_at = new.activated_at
        session.add(version)
        session.flush()
        require_live(session, wrapper, new.key_id)
        key.status = KeyStatus.ACTIVE
        if new.activated_at is not None:
            key.activated_at = new.activated_at
        session.flush()
        return version

    def rotate(self, key_id: str, actor: str | None) -> KeyDescription:
        """Give a key a new version under the key that wraps the live one; it is live at once, and the old one ends."""
        return again_if_overtaken(lambda: self._rotate(key_id, actor))

    def _rotate(self, key_id: str, actor: str | None) -> KeyDescription:
        with self._storage.session(key_id, _ROTATOR, actor) as session:
            key = locked_key(session, key_id)
            new = self.new_version(session, key)
            return KeyDescription(key_id, key.key_type, key.algorithm, key.status, new.version_number)

    def new_version(self, session: Session, key: KeyMaster) -> KeyVersion:
        """Do what `rotate` does, in the transaction of `session`, which has locked the key."""
        key_id = key.key_id
        if key.status != KeyStatus.ACTIVE:
            raise KeyStateError(
                f"key {key_id!r} is {key.status}: only an active key rotates", key_id=key_id, reason="status_change"
            )
        if key.key_type == KeyType.TLS:
            raise UnsupportedKeyError(
                f"key {key_id!r} is a tls key: it is made elsewhere, and wrapped with KeyWrapping.wrap", key_id=key_id
            )
        old = live_version(key)
        if old is None:
            raise KeyStateError(
                f"key {key_id!r} has no live version to take the place of", key_id=key_id, reason="no_live_version"
            )
        wrapper = None if key.hsm_key_id is not None else wrapper_of(old)
        end_version(session, old)
        new = self._held.new_version(session, key) if wrapper is None else self._wrapped(session, key, None, wrapper)
        new.activated_at = current_time()
        session.add(new)
        session.flush()
        return new

    def change_status(
        self, key_id: str, status: KeyStatus, *, reason: str | None = None, actor: str | None = None
    ) -> KeyDescription:
        """Move a key to another status."""
        is_urgent = status == KeyStatus.REVOKED
        with self._storage.session(key_id, _ROTATOR, actor, at_any_revision=is_urgent) as session:
            require_rotator(session)
            key = locked_key(session, key_id)
            if status not in KEY_LIFECYCLE[key.status]:
                others = " or ".join(KEY_LIFECYCLE[key.status])
                if not others:
                    raise KeyStateError(
                        f"key {key_id!r} is {key.status}, its last status", key_id=key_id, reason="status_change"
                    )
                raise KeyStateError(
                    f"key {key_id!r} is {key.status}: it cannot become {status}, only {others}",
                    key_id=key_id,
                    reason="status_change",
                )
            waiting = [version for version in key.versions if version.activated_at is None and not version.destroyed_at]
            if status == KeyStatus.ACTIVE and not any(version.is_live for version in key.versions):
                if not waiting:
                    raise KeyStateError(
                        f"key {key_id!r} has no version: ring.create({key_id!r}, under=…) gives it one",
                        key_id=key_id,
                        reason="no_live_version",
                    )
                waiting[-1].activated_at = current_time()
            key.status = status
            if reason is not None:
                key.status_reason = reason
            session.flush()
            live = None
            if status != KeyStatus.REVOKED:
                live = next((version.version_number for version in key.versions if version.is_live), None)
            return KeyDescription(key_id, key.key_type, key.algorithm, status, live)

    def _wrapped(self, session: Session, key: KeyMaster, material: Secret | None, under: Wrapper) -> KeyVersion:
        wrapping = KeyWrapping(*self._roots)
        try:
            if isinstance(under, str):
                require_same_root(session, wrapping, under)
            if material is None:
                return wrapping.generate(key, under=under)
            return wrapping.wrap(key, material, under=under)
        except CryptoError as error:
            raise MaterialUnavailableError(
                f"no version of key {key.key_id!r} can be made: {error}", key_id=key.key_id
            ) from None


def require_rotator(session: Session) -> None:
    """Have the database refuse a role that may not change the status of keys. Changes no row."""
    session.execute(sa.update(KeyMaster).values(status=KeyMaster.status).where(sa.false()))
