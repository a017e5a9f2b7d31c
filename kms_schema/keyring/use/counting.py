"""Uses of a version, reserved in blocks that grow: the database is written once for many uses.

A use is counted in the database before its ciphertext exists, so the count is not too low, however a process ends.
On SQLite, a transaction of the application that dies with its process takes its counts with it. The count
is too high by what is left of a block, which is less than what the process has used, and at most one block.
"""

import threading
from collections.abc import Callable

from kms_schema.keyring.waiting.waits import Waits

FIRST_USES, MOST_USES_A_BLOCK = 1, 65_536
FIRST_BYTES, MOST_BYTES_A_BLOCK = 64 * 1024, 64 * 1024 * 1024

Reserve = Callable[[int, int], int]
"""Reserves uses and bytes in the database, and returns the uses that it got: at least one if any were asked for."""


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
                self._note_bytes(more)

    def take_bytes(self, size: int, reserve: Callable[[int], None]) -> None:
        """Count `size` bytes more of a use that is counted; `reserve` is called when the block has not enough."""
        with self._reserving.held():
            while not self._take_reserved_bytes(size):
                more = max(self._next_bytes, size - self._bytes)
                reserve(more)
                with self._lock:
                    self._bytes += more
                self._note_bytes(more)

    def _take_reserved_bytes(self, size: int) -> bool:
        with self._lock:
            if self._bytes < size:
                return False
            self._bytes -= size
            return True

    def _note_bytes(self, more: int) -> None:
        if more:
            self._next_bytes = min(2 * self._next_bytes, MOST_BYTES_A_BLOCK)
