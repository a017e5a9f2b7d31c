"""Entries that the ring writes to the audit log itself: which process used which version, and how often, and others."""

import datetime as dt
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import DatabaseUnavailableError, KeyRingError
from kms_schema.keyring.use.states import KeyState, Version
from kms_schema.keyring.waiting.notices import Listener
from kms_schema.keyring.waiting.waits import Turn
from kms_schema.models import KeyAuditLog
from kms_schema.vocabulary import AuditCategory, AuditSecurityLevel, UseEvent

USED_EVERY = 3600.0
"""Seconds between the entries about a version that stays in use."""
REFUSED_EVERY = 60.0
"""Seconds in which a refusal is not written again, for each key and reason."""
RETRIED_AFTER = 60.0
"""Seconds after which an entry that could not be written is tried again."""
_MOST_REFUSALS = 10_000
"""Keys and reasons that are remembered."""

KEY_IMPORTED = "KEY_IMPORTED"
_OF_EVENT = {
    event: {"event_type": event, "event_category": event.category, "security_level": event.security_level}
    for event in UseEvent
}


def use_entry(
    event: UseEvent, key: uuid.UUID, description: str, details: Mapping[str, Any], actor: str | None = None
) -> dict[str, Any]:
    """Return the entry about a use of the key with the id `key` by this process. None of its texts is a secret."""
    details = {**details, "process": f"{socket.gethostname()}:{os.getpid()}"}
    values = {**_OF_EVENT[event], "key_id": key, "event_description": description, "additional_metadata": details}
    return values if actor is None else {**values, "user_id": actor}


def append(session: Session, entry: Mapping[str, Any], key_id: str) -> None:
    """Append an entry that must exist before the operation that it is about.

    Raises `DatabaseUnavailableError` if a trigger or a rule discards it, which is no error of the database.
    """
    statement = sa.insert(KeyAuditLog).values(**entry).inline().execution_options(preserve_rowcount=True)
    if session.connection().execute(statement).rowcount != 1:
        raise DatabaseUnavailableError(
            "a trigger or rule discards entries of the audit log: nothing was done; run kms-schema validate",
            key_id=key_id,
        )


def import_entry(key: uuid.UUID, key_id: str, since: dt.datetime, used: int) -> dict[str, Any]:
    """Return the entry about a key that was in use elsewhere since a time, with the number of its encryptions there."""
    return {
        "key_id": key,
        "event_type": KEY_IMPORTED,
        "event_category": AuditCategory.LIFECYCLE,
        "event_description": f"key imported: {key_id}, in use since {since:%Y-%m-%dT%H:%M:%SZ}",
        "security_level": AuditSecurityLevel.MEDIUM,
        "additional_metadata": {"activated_at": since.isoformat(), "used": used},
    }


@dataclass(eq=False, slots=True)
class Tally:
    """Uses of a version since its last entry."""

    state: KeyState
    version: Version
    first: Turn
    """Held while the first entry is written."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    encryptions: int = 0
    decryptions: int = 0
    bytes: int = 0
    due: float = float("-inf")
    """The time by the monotonic clock of the next entry."""
    is_written: bool = False

    def encrypted(self, size: int) -> None:
        """Count an encryption of `size` bytes."""
        with self.lock:
            self.encryptions += 1
            self.bytes += size

    def read(self, size: int) -> None:
        """Count `size` bytes more of an encryption that is counted."""
        with self.lock:
            self.bytes += size

    def decrypted(self) -> None:
        """Count a decryption."""
        with self.lock:
            self.decryptions += 1

    @property
    def is_used(self) -> bool:
        """True if there are uses, or bytes of one that goes on, since the last entry."""
        return bool(self.encryptions or self.decryptions or self.bytes)

    def taken(self) -> tuple[int, int, int]:
        """Return the encryptions, decryptions and bytes, and begin again."""
        with self.lock:
            counts = self.encryptions, self.decryptions, self.bytes
            self.encryptions = self.decryptions = self.bytes = 0
            return counts

    def give_back(self, counts: tuple[int, int, int]) -> None:
        """Count the uses again whose entry was not written."""
        with self.lock:
            self.encryptions += counts[0]
            self.decryptions += counts[1]
            self.bytes += counts[2]


class Uses:
    """Writes `KEY_USED` and `KEY_USE_REFUSED`."""

    def __init__(self, storage: Storage) -> None:
        """Write through `storage`."""
        self._storage = storage
        self._lock = threading.Lock()
        self._tallies: dict[Any, Tally] = {}
        self._refused: dict[tuple[str, str], float] = {}
        self._postponed: dict[tuple[str, str], int | None] = {}
        """Refusals without an entry, by key and reason, with the version."""
        # A database in the memory of one connection has no other one for a thread.
        repeating = storage.waits.repeating
        self._timer = Listener() if storage.shares_connections else repeating(self._write_hourly)

    def tally(self, state: KeyState, version: Version) -> Tally:
        """Return the uses of a version by this process."""
        tally = self._tallies.get(version.id)
        if tally is None:
            with self._lock:
                tally = self._tallies.setdefault(version.id, Tally(state, version, self._storage.waits.lock()))
        return tally

    def write_due(self, tally: Tally) -> None:
        """Write the first entry of this process about a version, whose errors refuse the use, or the entry of each
        hour.

        If the entry of an hour fails, it is tried again, and uses go on.
        """
        self._timer.begin()
        now = time.monotonic()
        if now < tally.due:
            return
        if tally.is_written:
            self._write_again(tally, now)
        elif self._storage.joined is not None:  # this thread may have the write lock: it must not wait for another one
            self._write(tally)
        else:
            with tally.first.held():
                if not tally.is_written:
                    self._write(tally)

    def _write_again(self, tally: Tally, now: float) -> None:
        with tally.lock:
            if now < tally.due:  # another thread writes it
                return
            tally.due = now + (RETRIED_AFTER if tally.is_used else USED_EVERY)
            if not tally.is_used:  # nothing to say
                return
        self._try(tally)

    def _write_hourly(self) -> float:
        """Write the entries that are due, also where nothing is used any more; return the seconds to the next one."""
        with self._lock:
            tallies = [each for each in self._tallies.values() if each.is_written]
        for each in tallies:
            try:
                self._write_again(each, time.monotonic())
            except Exception:  # noqa: BLE001  (a hook of the application may raise its own when it connects)
                each.due = time.monotonic() + RETRIED_AFTER
        now = time.monotonic()
        return max(0.0, min([USED_EVERY, *(each.due - now for each in tallies)]))

    def abandon(self) -> None:
        """Have the thread or task end: the ring is collected."""
        self._timer.abandon()

    def leave_event_loop(self) -> None:
        """Begin again in another event loop."""
        self._timer.forget()

    def record(
        self, state: KeyState, version: Version, *, encryptions: int = 0, decryptions: int = 0, size: int = 0
    ) -> None:
        """Write an entry about uses, such as one that is about to happen: its errors refuse the use."""
        details = {"version": version.number, "encryptions": encryptions, "decryptions": decryptions, "bytes": size}
        description = f"key used: {state.key_id} version {version.number}"
        self._storage.append(state.key_id, use_entry(UseEvent.KEY_USED, state.id, description, details))

    def refused(self, key_id: str, error: KeyRingError) -> None:
        """Write that a use was refused, once a minute for each key and reason.

        The caller raises the error of the use, whatever happens here.
        """
        name, now = type(error).__name__, time.monotonic()
        reason = name if error.reason is None else f"{name} ({error.reason})"
        with self._lock:
            if now - self._refused.get((key_id, reason), float("-inf")) < REFUSED_EVERY:
                return
            if len(self._refused) >= _MOST_REFUSALS:
                self._refused = {each: at for each, at in self._refused.items() if now - at < REFUSED_EVERY}
            self._refused[key_id, reason] = now
        try:
            self._write_refusal(key_id, reason, error.version)
        except sa.exc.MissingGreenlet:  # a value of a result is refused where nothing can be awaited
            with self._lock:
                if len(self._postponed) < _MOST_REFUSALS:
                    self._postponed[key_id, reason] = error.version
        else:
            self.write_postponed()

    def write_postponed(self) -> None:
        """Write the entries that could not be written where nothing can be awaited. Called where something can."""
        while self._postponed:
            with self._lock:
                if not self._postponed:
                    return
                (key_id, reason), version = self._postponed.popitem()
            self._write_refusal(key_id, reason, version)

    def _write_refusal(self, key_id: str, reason: str, version: int | None) -> None:
        try:
            state = self._storage.read_key(key_id)
            if state is not None:
                details = {"reason": reason, "version": version}
                description = f"key use refused: {key_id}: {reason}"
                values = use_entry(UseEvent.KEY_USE_REFUSED, state.id, description, details)
                self._storage.append(key_id, values)
        except KeyRingError:
            with self._lock:
                self._refused.pop((key_id, reason), None)

    def close(self) -> None:
        """Write the uses since the last entries, as far as the database accepts them."""
        self._timer.close()
        self.write_postponed()
        with self._lock:
            tallies = list(self._tallies.values())
        for tally in tallies:
            if tally.is_used:
                self._try(tally)

    def _try(self, tally: Tally) -> None:
        try:
            self._write(tally)
        except KeyRingError:
            tally.due = time.monotonic() + RETRIED_AFTER
        except BaseException:  # the task is cancelled, and another one may write it
            tally.due = float("-inf")
            raise

    def _write(self, tally: Tally) -> None:
        encryptions, decryptions, size = counts = tally.taken()
        try:
            self.record(tally.state, tally.version, encryptions=encryptions, decryptions=decryptions, size=size)
        except BaseException:
            tally.give_back(counts)
            raise
        tally.is_written = True
        tally.due = time.monotonic() + USED_EVERY
