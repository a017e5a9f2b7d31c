"""The state of a key and of one of its versions, and which use it allows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import sqlalchemy as sa

from kms_schema.keyring.errors import (
    KeyRevokedError,
    KeyRingError,
    KeyStateError,
    UnsupportedKeyError,
    VersionDestroyedError,
)
from kms_schema.vocabulary import KeyStatus, KeyType

XAES = "XAES-256-GCM"
AES = "AES-256-GCM"
ALGORITHMS = (XAES, AES)
"""The algorithms of keys that encrypt through the ring; both have keys of 256 bits."""
ENCRYPTING = (KeyType.DEK, KeyType.HSM)
"""The types of keys that encrypt data."""

MOST_USES = 10**15
"""The maximum of a version's counter in the schema."""
MOST_USES_OF_AES = 2**31
"""The maximum of encryptions with random 12-byte nonces under one key."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version, as it was read."""

    id: uuid.UUID
    number: int
    tag: int
    is_live: bool
    is_destroyed: bool
    uses: int


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key with one of its versions, as they were read at `read_at`."""

    id: uuid.UUID
    key_id: str
    key_type: str
    algorithm: str
    bits: int
    status: str
    most_uses: int
    read_at: float
    """By the monotonic clock, before the query: the state is at least as new."""
    deadline: float
    """The time by the monotonic clock at which the key expires; infinite if it does not."""
    version: Version | None
    is_held: bool = False
    """True if an HSM holds the key."""
    encrypts_elsewhere: bool = False
    """True if it is stored with the key that its ciphertexts may be outside of columns."""

    def left(self, uses: int) -> int:
        """Return how many encryptions are left to the limit after `uses`."""
        return max(0, self.most_uses - uses)

    @property
    def decrypts(self) -> bool:
        """True if the version may decrypt, by its own state and the state of its key."""
        return self.status not in _DECRYPTING and self.version is not None and not self.version.is_destroyed

    def check_form(self) -> None:
        """Raise `UnsupportedKeyError` unless the ring encrypts with such keys."""
        if self.key_type not in ENCRYPTING:
            self._refuse(UnsupportedKeyError, f"is a {self.key_type} key: only a dek or hsm key encrypts data")
        if self.algorithm not in ALGORITHMS or self.bits != 256:
            form = f"{self.algorithm} with {self.bits} bits"
            self._refuse(UnsupportedKeyError, f"is {form}: data keys are {' or '.join(ALGORITHMS)} with 256 bits")
        if self.is_held and self.algorithm != AES:
            self._refuse(UnsupportedKeyError, f"is held in an HSM, which does not do {self.algorithm}: use {AES}")

    def check_encrypting(self, now: float) -> Version:
        """Return the live version. Raises the error of the reason if the key may not encrypt at `now`.

        That of a version that others have ended (`not_live`) comes first: the key is to be read again.
        """
        if self.version is not None and not self.version.is_live:
            raise KeyStateError(
                f"version {self.version.number} of key {self.key_id!r} is not live any more", key_id=self.key_id,
                version=self.version.number, reason="not_live",
            )  # fmt: skip
        self.check_form()
        if (sentence := _ENCRYPTING.get(self.status)) is not None:
            self._refuse_status(self.status, sentence)
        if now >= self.deadline:
            self._refuse_status(KeyStatus.EXPIRED, _ENCRYPTING[KeyStatus.EXPIRED])
        if self.version is None:
            raise KeyStateError(
                f"key {self.key_id!r} has no live version: rotate it", key_id=self.key_id, reason="no_live_version"
            )
        return self.version

    def check_decrypting(self) -> Version:
        """Return the version. Raises the error of the reason if it may not decrypt."""
        self.check_form()
        if (sentence := _DECRYPTING.get(self.status)) is not None:
            self._refuse_status(self.status, sentence)
        if self.version is None:
            raise KeyStateError(
                f"key {self.key_id!r} has no such version", key_id=self.key_id, reason="no_live_version"
            )
        if self.version.is_destroyed:
            self._refuse(VersionDestroyedError, f"has no material any more: version {self.version.number} is destroyed")
        return self.version

    def _refuse(self, error: type[KeyRingError], sentence: str) -> NoReturn:
        raise error(f"key {self.key_id!r} {sentence}", key_id=self.key_id, version=self._number)

    def _refuse_status(self, status: str, sentence: str) -> NoReturn:
        raise refused_by_status(self.key_id, status, sentence, self._number)

    @property
    def _number(self) -> int | None:
        return None if self.version is None else self.version.number


_DECRYPTING: dict[str, str] = {
    KeyStatus.PENDING: "is pending: activate it first",
    KeyStatus.REVOKED: "is revoked: it neither encrypts nor decrypts",
    KeyStatus.ARCHIVED: "is archived: it neither encrypts nor decrypts",
}
"""The statuses in which a key does not decrypt."""
_ENCRYPTING: dict[str, str] = {
    **_DECRYPTING,
    KeyStatus.ROTATED: "is superseded by another key: it decrypts only",
    KeyStatus.EXPIRED: "has expired: it decrypts only",
}
"""The statuses in which a key does not encrypt."""


def refused_by_status(key_id: str, status: str, sentence: str, version: int | None = None) -> KeyStateError:
    """Return the error of a key that its status does not allow to be used; its reason is the status."""
    message = f"key {key_id!r} {sentence}"
    if status == KeyStatus.REVOKED:
        return KeyRevokedError(message, key_id=key_id, version=version)
    return KeyStateError(message, key_id=key_id, version=version, reason=str(status))


def state_of(rows: Sequence[sa.Row[Any]], read_at: float) -> KeyState | None:
    """Return the key of the row that was read at a time of the monotonic clock, with its version; None without one."""
    if not rows:
        return None
    row = rows[0]
    most_uses = MOST_USES_OF_AES if row.algorithm == AES else MOST_USES
    if row.max_usage_count is not None:
        most_uses = min(most_uses, row.max_usage_count)
    version = None
    if row.version_id is not None:
        version = Version(
            row.version_id, row.version_number, row.ciphertext_tag, bool(row.is_live), bool(row.is_destroyed),
            row.usage_count,
        )  # fmt: skip
    return KeyState(
        id=row.master_id,
        key_id=row.key_id,
        key_type=row.key_type,
        algorithm=row.algorithm,
        bits=row.key_size_bits,
        status=row.status,
        most_uses=most_uses,
        read_at=read_at,
        deadline=float("inf") if row.seconds_left is None else read_at + row.seconds_left,
        version=version,
        is_held=bool(row.is_held),
        encrypts_elsewhere=bool(row.encrypts_elsewhere),
    )
