"""The methods of a ring that hand a key version to somebody else, and take one over."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from kms_schema.keyring.database.audit_entries import append, process, use_entry
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.keyring.errors import (
    CiphertextTagError,
    KeyStateError,
    UnknownKeyError,
    UnsupportedKeyError,
    VersionDestroyedError,
)
from kms_schema.keyring.handover.handover_files import Handover, HandoverHeader, open_handover, seal, sha256_of
from kms_schema.keyring.lifecycle.key_rows import live_version, locked_key
from kms_schema.keyring.lifecycle.new_keys import NewKey
from kms_schema.keyring.lifecycle.registry import Registry, require_rotator
from kms_schema.keyring.use.opener import Opener, unwrapping
from kms_schema.keyring.use.states import refused_by_status
from kms_schema.keyring.use.versions import Versions
from kms_schema.models import KeyVersion
from kms_schema.text.storable import check_texts
from kms_schema.vocabulary import KeyStatus, KeyType, UseEvent

if TYPE_CHECKING:
    from kms_schema.keyring.handover.receiver_keys import HandoverKey, HandoverPublicKey

_ROTATOR = "kms_rotator"
_REFUSED: dict[str, str] = {
    KeyStatus.PENDING: "is pending: activate it first",
    KeyStatus.REVOKED: "is revoked, and is not handed over: re-encrypt its data with another key, and hand over that",
    KeyStatus.ARCHIVED: "is archived, and is not handed over",
}
"""The statuses in which a key is not handed over."""


class HandoverMethods(ABC):
    """`hand_over` and `take_over`."""

    _opener: Opener
    _registry: Registry
    _storage: Storage
    _versions: Versions

    @abstractmethod
    def _check_open(self) -> None: ...

    def hand_over(
        self,
        key_id: str,
        *,
        to: "HandoverPublicKey",
        version: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Handover:
        """Return a version of a key, wrapped to the public key of a receiver, who can use it from then on.

        - `key_id`: the name of an active, rotated or expired key that no HSM holds. `version`: the live one by default
        - `to`: the public key of the receiver; compare its fingerprint with the receiver first
        - `reason`: for the audit log, no secret. `actor`: the user in the entries

        Needs kms_rotator. An entry `KEY_HANDOVER_STARTED` of level HIGH, with version, fingerprint and reason, is
        committed before the material is opened, and `KEY_HANDED_OVER` with the SHA-256 of the file before this returns.
        Tell that to the receiver. Raises `UnknownKeyError`, `KeyStateError` (`pending`, `archived`, `no_live_version`),
        `VersionDestroyedError`, `KeyRevokedError`, and `UnsupportedKeyError` for a key in an HSM and for one whose name
        or size does not fit into a file. Raises `MaterialUnavailableError`, `KeyNotPermittedError`,
        `DatabaseUnavailableError`, and `ValueError` for a reason that no database stores. Example::

            handover = ring.hand_over("orders", to=HandoverPublicKey.read(Path("receiver.key.pub")), actor="alice")
            Path("orders.handover").write_bytes(handover.file)
            print(handover.sha256)
        """
        self._check_open()
        check_texts(reason=reason)
        with self._storage.session(key_id, _ROTATOR, actor) as session:
            require_rotator(session)
            found = _found(session, key_id, version)
            _header(found, to).require_fit()
            number = found.version_number
            details = {"version": number, "receiver": to.fingerprint, "process": process()}
            if reason is not None:
                details["reason"] = reason
            _append(session, UseEvent.KEY_HANDOVER_STARTED, found, details, actor)
        with self._storage.session(key_id, _ROTATOR, actor) as session:
            found = _found(session, key_id, number)
            made = self._sealed(found, to)
            _append(session, UseEvent.KEY_HANDED_OVER, found, {**details, "sha256": made.sha256}, actor)
        return made

    def _sealed(self, version: KeyVersion, to: "HandoverPublicKey") -> Handover:
        header = _header(version, to)
        with unwrapping(header.key_id, header.version), self._opener.material(version) as material:
            return seal(header, material, to)

    def take_over(  # noqa: PLR0913  (each is said by the caller)
        self,
        key_id: str,
        file: bytes,
        *,
        key: "HandoverKey",
        sha256: str,
        under: str,
        actor: str | None = None,
        **columns: Any,
    ) -> KeyDescription:
        """Create a key from a handover file, as its version 1: it opens the ciphertexts of the version handed over.

        - `key_id`: its name here. `file`: the bytes of the handover file
        - `key`: the private key of the receiver. `sha256`: SHA-256 of the file as the sender has told it on another way
          than the file, since the file itself does not prove who made it
        - `under`, `actor`, `columns`: as for `create`. Type, algorithm, size, ciphertext tag and the count of
          encryptions are those of the file

        Needs kms_admin and kms_rotator. An entry `KEY_TAKEN_OVER` with the SHA-256 is part of the transaction. A
        version is taken over once: its ciphertext tag is in the database then. Raises `HandoverError` if the file does
        not open or does not have this SHA-256, `CiphertextTagError`, and otherwise as `create` does. Example::

            with HandoverKey.read(Path("receiver.key")) as key:
                ring.take_over("orders", file, key=key, sha256="4f1c…", under="kek-2027", actor="bob")
        """
        self._check_open()
        header, material = open_handover(file, key=key, sha256=sha256)
        with material:
            origin = {
                "version": 1, "from_key": header.key_id, "from_version": header.version, "sha256": sha256_of(file),
                "receiver": header.receiver, "process": process(),
            }  # fmt: skip
            new = NewKey(
                key_id, under, KeyType(header.key_type), header.algorithm, header.key_size_bits, material, None,
                header.ciphertext_tag, header.used, columns, origin,
            )  # fmt: skip
            try:
                described = self._registry.create(new, actor)
            except CiphertextTagError:
                raise CiphertextTagError(
                    f"this database has the ciphertext tag {header.ciphertext_tag} already: version {header.version} of"
                    f" {header.key_id!r} was imported before, or another version drew the same tag",
                    key_id=key_id,
                ) from None
        self._versions.cache.forget(key_id)
        return described


def _found(session: Session, key_id: str, number: int | None) -> KeyVersion:
    """Return the version to hand over; its key is locked. Raises the error of the reason if it is not handed over."""
    key = locked_key(session, key_id)
    if key.hsm_key_id is not None:
        raise UnsupportedKeyError(f"key {key_id!r} is held in an HSM, which it never leaves", key_id=key_id)
    if (sentence := _REFUSED.get(key.status)) is not None:
        raise refused_by_status(key_id, key.status, sentence)
    if number is None:
        live = live_version(key)
        if live is None:
            raise KeyStateError(
                f"key {key_id!r} has no live version: name the version", key_id=key_id, reason="no_live_version"
            )
        return live
    version = next((each for each in key.versions if each.version_number == number), None)
    if version is None:
        raise UnknownKeyError(f"key {key_id!r} has no version {number}", key_id=key_id, version=number)
    if version.destroyed_at is not None:
        raise VersionDestroyedError(f"version {number} of key {key_id!r} is destroyed", key_id=key_id, version=number)
    return version


def _header(version: KeyVersion, to: "HandoverPublicKey") -> HandoverHeader:
    key = version.key
    return HandoverHeader(
        key.key_id, version.version_number, str(key.key_type), key.algorithm, key.key_size_bits,
        version.ciphertext_tag, version.usage_count, to.fingerprint,
    )  # fmt: skip


def _append(session: Session, event: UseEvent, version: KeyVersion, details: dict[str, Any], actor: str | None) -> None:
    words = "handover started" if event is UseEvent.KEY_HANDOVER_STARTED else "key handed over"
    description = f"{words}: {version.key.key_id} version {version.version_number} to {details['receiver'][:16]}"
    entry = use_entry(event, version.key.id, description, details, actor)
    append(session, entry, version.key.key_id)
