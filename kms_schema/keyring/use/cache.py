"""Versions whose material is in memory: found by key and by tag, bounded, and forgotten in a forked process.

`CachePolicy` is how long a ring relies on what it has read.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NoReturn

from kms_schema.keyring.formats.messages import MessageCipher
from kms_schema.keyring.use.audit_entries import Tally
from kms_schema.keyring.use.reserved_uses import Block
from kms_schema.keyring.use.states import KeyState, Version
from kms_schema.keyring.waiting.waits import Waits
from kms_schema.vocabulary import KeyStatus

_STRIPES = 64
_MOST_REFUSED = 10_000
"""Tags that are remembered as refused. Anybody may send ciphertexts with tags that they have drawn."""

NOTICED_EVERY = 1.0
"""Seconds in which the row of a version is read at most once for notices."""
LONGEST_AGE = 3600.0
"""Seconds that a key may be used without a new read of its row."""


@dataclass(frozen=True)
class CachePolicy:
    """Limits of the cache of a key ring. A key is read again after the first of them.

    - `max_age`: seconds, more than 0 and at most 3600: after these a revocation is seen everywhere
    - `max_messages`, `max_bytes`: encryptions, and bytes of plaintext
    - `stale_decrypt`: seconds after `max_age` in which known keys decrypt while the database cannot be reached
    - `max_keys`: the number of versions whose material is in memory

    Raises `ValueError` for other values.

    ```python
    ring = KeyRing(engine, roots, cache=CachePolicy(max_age=10, stale_decrypt=300))
    ```
    """

    max_age: float = 60.0
    max_messages: int = 2**32
    max_bytes: int = 2**40
    stale_decrypt: float = 0.0
    max_keys: int = 1000

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 < self.max_age <= LONGEST_AGE:
            raise ValueError(f"max_age must be more than 0 and at most {LONGEST_AGE:.0f} seconds, not {self.max_age!r}")
        if not 0 <= self.stale_decrypt < float("inf"):
            raise ValueError(f"stale_decrypt must be a number of seconds, not {self.stale_decrypt!r}")
        for name in ("max_messages", "max_bytes", "max_keys"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")


@dataclass(eq=False, repr=False, slots=True)
class Opened:
    """A version that is open in this process. Calls in flight keep the object; the last of them wipes its material."""

    state: KeyState
    """The state of its key, as it was read."""
    version: Version
    cipher: MessageCipher
    tally: Tally
    """The uses of the version by this process."""
    block: Block
    messages: int = 0
    bytes: int = 0
    records_each_use: bool = False
    """True for an entry about each use, in place of one an hour."""
    is_used: bool = True
    """True if it was used since it was last looked at for eviction."""
    encrypts_until: float = float("-inf")
    decrypts_until: float = float("-inf")
    """Until when, by the monotonic clock, it is used without a new look at its state."""
    fresh_until: float = float("-inf")
    """Until when the state counts at all."""
    noticed_at: float = float("-inf")
    """When the last notice came that its key may have changed."""

    def __repr__(self) -> str:
        """Show the names of key and version only."""
        return f"<{type(self).__name__} {self.state.key_id}:{self.version.number}>"

    def __reduce__(self) -> NoReturn:
        """Raise `TypeError`: a pickle would be a copy of the key."""
        raise TypeError("an open version is neither pickled nor copied")


class Cache:
    """The versions that a ring has open, with the policy that says how long their states count.

    A version is in it only if its key may decrypt, by the state that was read.
    """

    def __init__(self, policy: CachePolicy, waits: Waits) -> None:
        """Begin with none."""
        self._policy = policy
        self._lock = threading.Lock()
        self._versions: OrderedDict[int, Opened] = OrderedDict()
        self._live: dict[str, Opened] = {}
        # Each use calls one of these two; they wait for nothing.
        self.live: Callable[[str], Opened | None] = self._live.get
        """Returns the version that a key encrypts with, if it is open; its state may be old."""
        self.version: Callable[[int], Opened | None] = self._versions.get
        """Returns the version with a tag, if it is open; its state may be old."""
        self._of_key: dict[str, set[int]] = {}
        """The tags of a key, so that a flood of notices costs little."""
        self._refused: OrderedDict[tuple[str, int], tuple[float, KeyState | None]] = OrderedDict()
        """When a tag was read for a key that does not decrypt with it, and the row, if there is one."""
        self._others_noticed_at = float("-inf")
        """When the last notice came of a key that is not here; one may be on its way into the cache."""
        self._loading = [waits.lock() for _ in range(_STRIPES)]

    def loading(self, what: str | int) -> AbstractContextManager[object]:
        """Let one thread or task at a time read a key or a tag."""
        return self._loading[hash(what) % _STRIPES].held()

    def read_once(self, key_id: str, tag: int, read: Callable[[], KeyState | None]) -> KeyState | None:
        """Return the row of a tag by `read`. One with which the key does not decrypt is read once a second at most.

        Then a version that another process has made since is found.
        """
        now = time.monotonic()
        read_at, state = self._refused.get((key_id, tag), (float("-inf"), None))
        if now - read_at < NOTICED_EVERY:
            return state
        state = read()
        if state is None or state.key_id != key_id or not state.decrypts:
            with self._lock:
                self._refused[key_id, tag] = now, state
                self._refused.move_to_end((key_id, tag))
                if len(self._refused) > _MOST_REFUSED:
                    self._refused.popitem(last=False)
        return state

    def is_fresh(self, opened: Opened, now: float) -> bool:
        """Return whether the state counts at `now`, for both directions."""
        return now < opened.fresh_until and self._is_within(opened)

    def _is_within(self, opened: Opened) -> bool:
        return opened.messages < self._policy.max_messages and opened.bytes < self._policy.max_bytes

    def may_decrypt_without_a_database(self, opened: Opened, now: float) -> bool:
        """Return whether the version decrypts at `now` although its row cannot be read."""
        return now - opened.state.read_at < self._policy.max_age + self._policy.stale_decrypt

    def may_decrypt_a_result(self, opened: Opened, now: float) -> bool:
        """Return whether the version decrypts at `now` a result that was read within `max_age` after its row."""
        return now - opened.state.read_at < 2 * self._policy.max_age

    def may_encrypt_without_a_database(self, opened: Opened, now: float) -> bool:
        """Return whether the version encrypts at `now` although its row cannot be read, as a notice asks."""
        return now - opened.state.read_at < self._policy.max_age and self._is_within(opened)

    def wait_for_database(self, opened: Opened, now: float) -> None:
        """Do without the database for a second, where only a notice asks to read the row."""
        with self._lock:
            until = min(now + NOTICED_EVERY, opened.state.read_at + self._policy.max_age)
            if until > now:
                self._set_times(opened, until)

    def note_change(self, key_id: str | None) -> None:
        """Read the row of a key again soon, or the rows of all keys: a hint says that they may have changed.

        A row is read at most once a second for it, however many notices come.
        """
        now = time.monotonic()
        with self._lock:
            self._refused.clear()
            tags = self._versions if key_id is None else self._of_key.get(key_id, ())
            if key_id is None or not tags:
                self._others_noticed_at = now
            for tag in tags:
                opened = self._versions[tag]
                opened.noticed_at = now
                self._set_times(opened, min(opened.fresh_until, opened.state.read_at + NOTICED_EVERY))

    def note_encryption(self, opened: Opened, size: int) -> None:
        """Count towards `max_messages` and `max_bytes`, which are no limits of the key: threads may miss a few."""
        opened.messages += 1
        opened.bytes += size
        opened.is_used = True
        if opened.messages >= self._policy.max_messages or opened.bytes >= self._policy.max_bytes:
            opened.encrypts_until = opened.decrypts_until = float("-inf")

    def put(self, opened: Opened) -> None:
        """Add a version; if there are too many, forget the versions that were not used lately."""
        with self._lock:
            self._versions[opened.version.tag] = opened
            self._of_key.setdefault(opened.state.key_id, set()).add(opened.version.tag)
            opened.noticed_at = self._others_noticed_at
            self._note(opened)
            while len(self._versions) > self._policy.max_keys:
                tag, old = self._versions.popitem(last=False)
                if old.is_used:
                    old.is_used = False
                    self._versions[tag] = old
                    continue
                key_id = old.state.key_id
                self._of_key[key_id].discard(tag)
                if not self._of_key[key_id]:
                    del self._of_key[key_id]
                if self._live.get(key_id) is old:
                    del self._live[key_id]

    def refresh(self, opened: Opened, state: KeyState, version: Version) -> None:
        """Give a version the state that was read just now."""
        with self._lock:
            opened.state, opened.version = state, version
            opened.messages = opened.bytes = 0
            self._note(opened)

    def _note(self, opened: Opened) -> None:
        read_at = opened.state.read_at
        # A notice that came after the row was read may be about a change that the read did not see.
        was_noticed = opened.noticed_at >= read_at
        self._set_times(opened, read_at + min(self._policy.max_age, NOTICED_EVERY if was_noticed else float("inf")))
        if opened.version.is_live and self._versions.get(opened.version.tag) is opened:
            self._live[opened.state.key_id] = opened

    def _set_times(self, opened: Opened, until: float) -> None:
        opened.fresh_until = opened.decrypts_until = until
        can_encrypt = opened.version.is_live and opened.state.status == KeyStatus.ACTIVE
        opened.encrypts_until = min(until, opened.state.deadline) if can_encrypt else float("-inf")
        if not self._is_within(opened):
            opened.encrypts_until = opened.decrypts_until = float("-inf")

    def forget(self, key_id: str) -> None:
        """Have the row of a key read again, as after a change by this process."""
        with self._lock:
            self._live.pop(key_id, None)
            self._refused.clear()
            for tag in self._of_key.pop(key_id, ()):
                del self._versions[tag]

    def clear(self) -> None:
        """Forget all versions."""
        with self._lock:
            self._versions.clear()
            self._refused.clear()
            self._live.clear()
            self._of_key.clear()
