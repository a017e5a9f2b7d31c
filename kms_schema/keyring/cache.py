"""Versions whose material is in memory: found by key and by tag, bounded, and forgotten in a forked process."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from kms_schema.keyring.counting import Block
from kms_schema.keyring.formats.messages import MessageCipher
from kms_schema.keyring.policy import CachePolicy
from kms_schema.keyring.states import KeyState, Version

_STRIPES = 64


class Opened:
    """A version that is open in this process. Calls in flight keep the object; the last of them wipes its material."""

    __slots__ = ("block", "bytes", "cipher", "messages", "state", "version")

    def __init__(self, state: KeyState, version: Version, cipher: MessageCipher) -> None:
        """Take the state as it was read, and the cipher."""
        self.state = state
        self.version = version
        self.cipher = cipher
        self.block = Block()
        self.messages = self.bytes = 0

    def __repr__(self) -> str:
        """Show the names of key and version only."""
        return f"<{type(self).__name__} {self.state.key_id}:{self.version.number}>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle would be a copy of the key."""
        raise TypeError("an open version is neither pickled nor copied")


class Cache:
    """The versions that a ring has open, with the policy that says how long their states count."""

    def __init__(self, policy: CachePolicy) -> None:
        """Begin with none."""
        self._policy = policy
        self._lock = threading.Lock()
        self._versions: OrderedDict[int, Opened] = OrderedDict()
        self._live: dict[str, int] = {}
        self._loading = [threading.Lock() for _ in range(_STRIPES)]

    @contextmanager
    def loading(self, what: str | int) -> Iterator[None]:
        """Let one thread at a time read a key or a tag."""
        with self._loading[hash(what) % _STRIPES]:
            yield

    def live(self, key_id: str) -> Opened | None:
        """Return the version that a key encrypts with, if it is open; its state may be old."""
        with self._lock:
            tag = self._live.get(key_id)
            return None if tag is None else self._found(tag)

    def version(self, tag: int) -> Opened | None:
        """Return the version with a tag, if it is open; its state may be old."""
        with self._lock:
            return self._found(tag)

    def _found(self, tag: int) -> Opened | None:
        opened = self._versions.get(tag)
        if opened is not None:
            self._versions.move_to_end(tag)
        return opened

    def is_fresh(self, opened: Opened, now: float) -> bool:
        """Return whether the state counts at `now`, for both directions."""
        policy = self._policy
        return (
            now - opened.state.read_at < policy.max_age
            and opened.messages < policy.max_messages
            and opened.bytes < policy.max_bytes
        )

    def may_decrypt_without_a_database(self, opened: Opened, now: float) -> bool:
        """Return whether the version decrypts at `now` although its row cannot be read."""
        return now - opened.state.read_at < self._policy.max_age + self._policy.stale_decrypt

    def put(self, opened: Opened) -> None:
        """Add a version, and forget those that were not used for longest where there are too many."""
        with self._lock:
            self._versions[opened.version.tag] = opened
            self._note(opened)
            while len(self._versions) > self._policy.max_keys:
                tag, old = self._versions.popitem(last=False)
                if self._live.get(old.state.key_id) == tag:
                    del self._live[old.state.key_id]

    def refresh(self, opened: Opened, state: KeyState, version: Version) -> None:
        """Give a version the state that was read just now."""
        with self._lock:
            opened.state, opened.version = state, version
            opened.messages = opened.bytes = 0
            self._note(opened)

    def _note(self, opened: Opened) -> None:
        if opened.version.is_live:
            self._live[opened.state.key_id] = opened.version.tag

    def forget(self, key_id: str) -> None:
        """Have the row of a key read again, as after a change by this process."""
        with self._lock:
            self._live.pop(key_id, None)
            for tag in [tag for tag, opened in self._versions.items() if opened.state.key_id == key_id]:
                del self._versions[tag]

    def clear(self) -> None:
        """Forget all versions."""
        with self._lock:
            self._versions.clear()
            self._live.clear()
