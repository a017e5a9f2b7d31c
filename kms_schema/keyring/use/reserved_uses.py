"""Uses of a version, reserved in blocks that grow: the database is written once for many uses.

A use is counted in the database before its ciphertext exists, so the count is not too low, however a process ends.
On SQLite, a transaction of the application that dies with its process takes its counts with it. The count
is too high by what is left of a block, which is less than what the process has used, and at most one block.
"""

import threading
import time
from collections.abc import Callable

from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import DatabaseUnavailableError, UnknownKeyError, UsageLimitError
from kms_schema.keyring.use.states import KeyState, Version
from kms_schema.keyring.waiting.waits import Waits

FIRST_USES, MOST_USES_A_BLOCK = 1, 65_536
FIRST_BYTES, MOST_BYTES_A_BLOCK = 64 * 1024, 64 * 1024 * 1024

Reserve = Callable[[int, int], int]
"""Reserves uses and bytes in the database, and returns the uses that it got: at least one if any were asked for."""
_ATTEMPTS = 100
"""Attempts to reserve uses while others reserve what was left."""


class Block:
    """Uses and bytes that a process has reserved of one version, and the size of the next block."""

    def __init__(self, waits: Waits) -> None:
        """Begin with nothing reserved."""
        self._lock = threading.Lock()
        self._reserving = waits.lock()
        """Held while the database is asked, so that one asks at a time. Others use what is left meanwhile."""
        self._uses = self._bytes = 0
        self._next_uses, self._next_bytes = FIRST_USES, FIRST_BYTES

    def take_reserved(self, size: int) -> bool:
        """Count one use of `size` bytes if the block has enough; else return False. Never waits for the database."""
        with self._lock:
            if self._uses < 1 or self._bytes < size:
                return False
            self._uses -= 1
            self._bytes -= size
            return True

    def take(self, size: int, reserve: Reserve) -> None:
        """Count one use of `size` bytes; `reserve` is called when the block has not enough. Its errors pass through."""
        with self._reserving.held():
            while not self.take_reserved(size):
                uses = self._next_uses if self._uses < 1 else 0
                more = max(self._next_bytes, size - self._bytes) if self._bytes < size else 0
                got = reserve(uses, more)
                with self._lock:
                    self._uses += got
                    self._bytes += more
                if uses:
                    self._next_uses = min(2 * self._next_uses, MOST_USES_A_BLOCK)
                if more:
                    self._next_bytes = min(2 * self._next_bytes, MOST_BYTES_A_BLOCK)

    def take_bytes(self, size: int, reserve: Callable[[int], None]) -> None:
        """Count `size` bytes more of a use that is counted; `reserve` is called when the block has not enough."""
        with self._reserving.held():
            while not self._take_reserved_bytes(size):
                more = max(self._next_bytes, size - self._bytes)
                reserve(more)
                with self._lock:
                    self._bytes += more
                self._next_bytes = min(2 * self._next_bytes, MOST_BYTES_A_BLOCK)

    def _take_reserved_bytes(self, size: int) -> bool:
        with self._lock:
            if self._bytes < size:
                return False
            self._bytes -= size
            return True


class Reservations:
    """Reserves what blocks of uses ask for."""

    def __init__(self, storage: Storage) -> None:
        """Reserve through `storage`."""
        self._storage = storage

    def uses(self, state: KeyState, version: Version, uses: int, more: int) -> int:
        """Reserve uses, at most a sixteenth of the uses that are left, and bytes."""
        left = state.left(version.uses)
        for _ in range(_ATTEMPTS):
            asked = min(uses, max(1, left // 16))
            if self._storage.reserve(state.key_id, version.id, asked, more):
                return asked
            # A state or a limit does not allow it, or others have used more than was known.
            current = self._storage.read_tag(version.tag, state.key_id)
            if current is None:
                raise UnknownKeyError(f"key {state.key_id!r} does not exist any more", key_id=state.key_id)
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
            f"no use of key {state.key_id!r} could be reserved: other sessions reserve all uses that are left",
            key_id=state.key_id,
        )

    def bytes(self, state: KeyState, version: Version, more: int) -> None:
        """Reserve bytes of a use that has begun: also where the version has ended since, if it may still decrypt."""
        key_id = state.key_id
        if self._storage.reserve(key_id, version.id, 0, more):
            return
        current = self._storage.read_tag(version.tag, key_id)
        if current is None:
            raise UnknownKeyError(f"key {key_id!r} does not exist any more", key_id=key_id)
        current.check_decrypting()
        self._storage.add_bytes(key_id, version.id, more)
