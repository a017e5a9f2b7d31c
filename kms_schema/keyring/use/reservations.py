"""Uses and bytes of a version, reserved in the database where the state of the key and its limits allow it."""

import time

from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import DatabaseUnavailableError, UnknownKeyError, UsageLimitError
from kms_schema.keyring.use.cache import Opened

_ATTEMPTS = 100
"""Attempts to reserve uses while others reserve what was left."""


class Reservations:
    """Reserves what blocks of uses ask for."""

    def __init__(self, storage: Storage) -> None:
        """Reserve through `storage`."""
        self._storage = storage

    def uses(self, opened: Opened, uses: int, more: int) -> int:
        """Reserve uses, at most a sixteenth of what is left to the limit, and bytes."""
        state, version = opened.state, opened.version
        left = state.left(version.uses)
        for _ in range(_ATTEMPTS):
            asked = min(uses, max(1, left // 16))
            if self._storage.reserve(state.key_id, version.id, asked, more):
                return asked
            # A state or a limit does not allow it, or others have used more than was known.
            current = self._storage.read_tag(version.tag, state.key_id)
            if current is None:
                raise UnknownKeyError(f"key {state.key_id!r} is not there any more", key_id=state.key_id)
            current.check_live()
            uses_now = current.check_encrypting(time.monotonic()).uses
            left = current.left(uses_now) // 2  # less than a sixteenth, since others may be reserving, too
            if current.left(uses_now) == 0:
                raise UsageLimitError(
                    f"version {version.number} of key {state.key_id!r} has reached its limit of"
                    f" {state.most_uses} encryptions: rotate the key",
                    key_id=state.key_id,
                    version=version.number,
                )
        raise DatabaseUnavailableError(
            f"no use of key {state.key_id!r} could be reserved: others reserve all that is left", key_id=state.key_id
        )

    def bytes(self, opened: Opened, more: int) -> None:
        """Reserve bytes of a use that has begun: also where the version has ended since, if it may still decrypt."""
        key_id, version = opened.state.key_id, opened.version
        if self._storage.reserve(key_id, version.id, 0, more):
            return
        current = self._storage.read_tag(version.tag, key_id)
        if current is None:
            raise UnknownKeyError(f"key {key_id!r} is not there any more", key_id=key_id)
        current.check_decrypting()
        self._storage.add_bytes(key_id, version.id, more)
