"""Hands a key version to somebody else, and takes one over."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.keyring.errors import (
    KeyExistsError,
    KeyStateError,
    UnknownKeyError,
    UnsupportedKeyError,
    VersionDestroyedError,
)
from kms_schema.keyring.handover.handover_files import Handover, HandoverHeader, open_handover, seal, sha256_of
from kms_schema.keyring.lifecycle.key_rows import live_version, locked_key
from kms_schema.keyring.lifecycle.new_keys import NewKey
from kms_schema.keyring.lifecycle.registry import require_rotator
from kms_schema.keyring.parts import RingParts
from kms_schema.keyring.use.audit_entries import append, use_entry
from kms_schema.keyring.use.opener import unwrapping
from kms_schema.keyring.use.states import refused_by_status
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


def hand_over(  # noqa: PLR0913  (each is given by the caller)
    ring: RingParts,
    key_id: str,
    to: "HandoverPublicKey",
    *,
    version: int | None,
    reason: str | None,
    actor: str | None,
) -> Handover:
    """Do what `KeyRing.hand_over` does. Raises as that does."""
    check_texts(reason=reason)
    with ring.storage.session(key_id, _ROTATOR, actor) as session:
        require_rotator(session)
        found = _found(session, key_id, version)
        _header(found, to).require_fit()
        number = found.version_number
        details = {"version": number, "receiver": to.fingerprint}
        if reason is not None:
            details["reason"] = reason
        _append(session, UseEvent.KEY_HANDOVER_STARTED, found, details, actor)
    with ring.storage.session(key_id, _ROTATOR, actor) as session:
        found = _found(session, key_id, number)
        header = _header(found, to)
        with unwrapping(header.key_id, header.version), ring.opener.material(found) as material:
            made = seal(header, material, to)
        _append(session, UseEvent.KEY_HANDED_OVER, found, {**details, "sha256": made.sha256}, actor)
    return made


def take_over(  # noqa: PLR0913  (each is given by the caller)
    ring: RingParts,
    key_id: str,
    file: bytes,
    *,
    key: "HandoverKey",
    sha256: str,
    under: str,
    actor: str | None,
    columns: Mapping[str, Any],
) -> KeyDescription:
    """Do what `KeyRing.take_over` does. Raises as that does."""
    header, material = open_handover(file, key=key, sha256=sha256)
    with material:
        origin = {
            "version": 1, "from_key": header.key_id, "from_version": header.version, "sha256": sha256_of(file),
            "receiver": header.receiver,
        }  # fmt: skip
        new = NewKey(
            key_id, under, KeyType(header.key_type), header.algorithm, header.key_size_bits, material,
            ciphertext_tag=header.ciphertext_tag, used=header.used, columns=columns, origin=origin,
        )  # fmt: skip
        try:
            described = ring.registry.create(new, actor)
        except KeyExistsError as error:
            if error.reason != "ciphertext_tag":
                raise
            raise KeyExistsError(
                f"this database has the ciphertext tag {header.ciphertext_tag} already: version {header.version} of"
                f" {header.key_id!r} was imported before, or another version drew the same tag",
                key_id=key_id,
                reason="ciphertext_tag",
            ) from None
    ring.forget(key_id)
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
