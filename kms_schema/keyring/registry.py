"""Makes keys and versions, and changes the status of keys: one transaction each."""

import datetime as dt
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import CryptoError, KeyWrapping, RootKeys, Secret, Wrapper
from kms_schema.crypto.same_root import require_same_root
from kms_schema.keyring.audit_entries import append, import_entry, use_entry
from kms_schema.keyring.columns.host_columns import ELSEWHERE
from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.keyring.errors import (
    KeyExistsError,
    MaterialUnavailableError,
    NoLiveVersionError,
    StatusChangeError,
    UnsupportedKeyError,
)
from kms_schema.keyring.faults import again_if_overtaken, is_refused
from kms_schema.keyring.held_keys import HeldKeys
from kms_schema.keyring.key_rows import (
    end_version,
    find_key,
    live_version,
    locked_key,
    require_live,
    wrapper_named,
    wrapper_of,
)
from kms_schema.keyring.states import AES, ALGORITHMS, ENCRYPTING, XAES
from kms_schema.keyring.storage import Storage
from kms_schema.models import KeyMaster, KeyVersion, current_time
from kms_schema.storable_text import check_texts
from kms_schema.vocabulary import KEY_LIFECYCLE, KeyStatus, KeyType, UseEvent

_ADMIN = "kms_admin, and in kms_rotator for its version"
_ROTATOR = "kms_rotator"
_COLUMNS = frozenset(
    (
        "activated_at", "compliance_tags", "derivation_path", "expires_at", "hsm_metadata", "max_usage_count",
        "parent_key_id", "security_level",
    )
)  # fmt: skip
"""The columns of a master that `create` takes."""
_DEFAULT_ALGORITHMS = {KeyType.DEK: XAES, KeyType.KEK: "AES-256"}


@dataclass(frozen=True)
class NewKey:
    """A key to be created; the fields are the parameters of `KeyRing.create`."""

    key_id: str
    under: str | None
    key_type: KeyType
    algorithm: str | None = None
    key_size_bits: int = 256
    material: Secret | None = None
    hsm: str | None = None
    ciphertext_tag: int | None = None
    used: int = 0
    columns: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] | None = None
    """The handover file that it is from, for the audit log."""

    @property
    def call(self) -> str:
        """The call that gives a registered key its version."""
        if self.origin is not None:
            return "the same call"
        return f"ring.create({self.key_id!r}, {f'under={self.under!r}' if self.under else f'hsm={self.hsm!r}'})"

    def master(self) -> KeyMaster:
        """Return the row of the key, pending. Raises `UnsupportedKeyError`, `ValueError` and `TypeError`."""
        unknown = sorted(set(self.columns) - _COLUMNS)
        if unknown:
            raise TypeError(f"create() takes no {unknown[0]!r}: the columns of a key are {', '.join(sorted(_COLUMNS))}")
        if self.under is None and self.hsm is None:
            raise TypeError("create() takes under=, what wraps the key, or hsm=, the HSM that makes and holds it")
        check_texts(key_id=self.key_id, under=self.under, algorithm=self.algorithm, hsm=self.hsm, **self.columns)
        algorithm = self.algorithm or (AES if self.hsm else _DEFAULT_ALGORITHMS.get(self.key_type))
        if algorithm is None:
            raise UnsupportedKeyError(f"name the algorithm of this {self.key_type} key", key_id=self.key_id)
        if self.key_type == KeyType.HSM and self.hsm is None:
            raise UnsupportedKeyError("a key of type hsm is held in an HSM: give hsm=NAME", key_id=self.key_id)
        if self.hsm and (self.under or self.material or self.used or self.activated_at is not None):
            raise UnsupportedKeyError(
                "a key in an HSM is made there: it takes no under, material, used or activated_at", key_id=self.key_id
            )
        if self.key_type == KeyType.DEK and (algorithm not in ALGORITHMS or self.key_size_bits != 256):
            raise UnsupportedKeyError(
                f"a dek is {' or '.join(ALGORITHMS)} with 256 bits, not {algorithm} with {self.key_size_bits}",
                key_id=self.key_id,
            )
        given = {name: value for name, value in self.columns.items() if name != "activated_at" and value is not None}
        if self.activated_at is not None:
            given["created_at"] = self.activated_at
        return KeyMaster(
            key_id=self.key_id, key_type=self.key_type, algorithm=algorithm, key_size_bits=self.key_size_bits, **given
        )

    @property
    def activated_at(self) -> dt.datetime | None:
        """The time in the past from which on an imported key was in use; None for a new one."""
        given: dt.datetime | None = self.columns.get("activated_at")
        if given is not None and given > dt.datetime.now(dt.UTC):
            raise ValueError("activated_at is in the future: activate the key then")
        return given


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
            key = _registered(session, new, fresh)
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
            raise StatusChangeError(f"key {key_id!r} is {key.status}: only an active key rotates", key_id=key_id)
        if key.key_type == KeyType.TLS:
            raise UnsupportedKeyError(
                f"key {key_id!r} is a tls key: it is made elsewhere, and wrapped with KeyWrapping.wrap", key_id=key_id
            )
        old = live_version(key)
        if old is None:
            raise NoLiveVersionError(f"key {key_id!r} has no live version to take the place of", key_id=key_id)
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
        with self._storage.session(key_id, _ROTATOR, actor) as session:
            require_rotator(session)
            key = locked_key(session, key_id)
            if status not in KEY_LIFECYCLE[key.status]:
                others = " or ".join(KEY_LIFECYCLE[key.status])
                if not others:
                    raise StatusChangeError(f"key {key_id!r} is {key.status}, its last status", key_id=key_id)
                raise StatusChangeError(
                    f"key {key_id!r} is {key.status}: it cannot become {status}, only {others}", key_id=key_id
                )
            waiting = [version for version in key.versions if version.activated_at is None and not version.destroyed_at]
            if status == KeyStatus.ACTIVE and not any(version.is_live for version in key.versions):
                if not waiting:
                    raise NoLiveVersionError(
                        f"key {key_id!r} has no version: ring.create({key_id!r}, under=…) gives it one", key_id=key_id
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


def _registered(session: Session, new: NewKey, fresh: KeyMaster) -> KeyMaster:
    """Return the row of the key, which is `fresh` unless it is registered and has no version."""
    known = find_key(session, new.key_id)
    if known is None:
        session.add(fresh)
        try:
            with session.begin_nested():
                session.flush()
        except sa.exc.IntegrityError as error:
            if "uq_key_masters_key_id" not in str(error.orig) and "key_masters.key_id" not in str(error.orig):
                raise
        else:
            return fresh
    elif known.status == KeyStatus.PENDING:
        if _form(known) != _form(fresh):
            place = f", in HSM {known.hsm_key_id!r}" if known.hsm_key_id else ""
            raise KeyExistsError(
                f"key {new.key_id!r} is registered as {known.key_type}, {known.algorithm}, {known.key_size_bits} bits"
                f"{place}",
                key_id=new.key_id,
            )
        if session.scalar(sa.select(sa.func.count()).where(KeyVersion.key_id == known.id)) == 0:
            return known
    see = f"choose another name, or see that key with kms-schema keys show {shlex.quote(new.key_id)}"
    raise KeyExistsError(f"there is a key named {new.key_id!r}: {see}", key_id=new.key_id)


def _form(key: KeyMaster) -> tuple[object, ...]:
    return key.key_type, key.algorithm, key.key_size_bits, key.hsm_key_id
