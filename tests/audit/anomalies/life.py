"""The rows and entries of keys in use, at times in the past: what triggers and key rings would have written."""

import datetime as dt
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kms_schema.vocabulary import RecordedEvent, UseEvent

MASTER = (
    "id", "key_id", "key_type", "algorithm", "key_size_bits", "status", "created_at", "activated_at", "rotated_at",
    "revoked_at", "expires_at",
)  # fmt: skip
VERSION = (
    "id", "key_id", "version_number", "encrypted_key_data", "key_checksum", "encryption_metadata", "wrapping_key_ref",
    "created_at", "activated_at", "deactivated_at", "ciphertext_tag",
)  # fmt: skip
POLICY = (
    "id", "policy_name", "key_type", "rotation_interval_days", "rotation_window_start", "rotation_window_end",
    "timezone",
)  # fmt: skip
ROTATION = (
    "id", "key_id", "policy_id", "trigger", "scheduled_at", "started_at", "completed_at", "old_version", "new_version",
    "status", "claimed_by",
)  # fmt: skip
ENTRY = (
    "timestamp", "recorded_by", "key_id", "event_type", "event_category", "event_description", "user_id",
    "security_level", "additional_metadata", "client_ip",
)  # fmt: skip
MATERIAL = b"\x01" + b"\xaa" * 60
SECOND = dt.timedelta(seconds=1)


@dataclass
class Key:
    """A key and its rows."""

    master: dict[str, Any]
    versions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.master["key_id"])

    @property
    def id(self) -> uuid.UUID:
        found: uuid.UUID = self.master["id"]
        return found

    def live(self, at: dt.datetime) -> int:
        """Return the number of the version that is live at a time."""
        return max((each["version_number"] for each in self.versions if each["activated_at"] <= at), default=1)


class Life:
    """Collects rows; nothing is written before `loading.load`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  (a simulation)
        self.keys: list[Key] = []
        self.policies: list[dict[str, Any]] = []
        self.rotations: list[dict[str, Any]] = []
        self.entries: list[tuple[Any, ...]] = []

    def new_id(self) -> uuid.UUID:
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def policy(self, key_type: str, window: tuple[str, str], timezone: str = "Europe/Berlin") -> dict[str, Any]:
        row = {
            "id": self.new_id(), "policy_name": f"{key_type} {len(self.policies)}", "key_type": key_type,
            "rotation_interval_days": 90, "rotation_window_start": window[0], "rotation_window_end": window[1],
            "timezone": timezone,
        }  # fmt: skip
        self.policies.append(row)
        return row

    def key(self, name: str, at: dt.datetime, login: str = "kms_admin", key_type: str = "dek") -> Key:
        key = Key({
            "id": self.new_id(), "key_id": name, "key_type": key_type, "algorithm": "AES-256-GCM", "key_size_bits": 256,
            "status": "active", "created_at": at, "activated_at": at, "rotated_at": None, "revoked_at": None,
            "expires_at": None,
        })  # fmt: skip
        self.keys.append(key)
        self.recorded(RecordedEvent.KEY_CREATED, at, login, key)
        self.recorded(RecordedEvent.KEY_ACTIVATED, at, login, key)
        self.version(key, at, login)
        return key

    def version(self, key: Key, at: dt.datetime, login: str, user: str | None = None) -> None:
        """Give a key a version, live from then on."""
        if key.versions:
            key.versions[-1]["deactivated_at"] = at
            self.recorded(RecordedEvent.VERSION_DEACTIVATED, at, login, key, user=user)
        key.versions.append({
            "id": self.new_id(), "key_id": key.id, "version_number": len(key.versions) + 1,
            "encrypted_key_data": MATERIAL, "key_checksum": "a" * 64,
            "encryption_metadata": json.dumps({"format": 1, "algorithm": "AES-256-GCM", "associated_data": key.name}),
            "wrapping_key_ref": "kms://root", "created_at": at, "activated_at": at, "deactivated_at": None,
            "ciphertext_tag": 1 + self.random.getrandbits(31),
        })  # fmt: skip
        self.recorded(RecordedEvent.VERSION_CREATED, at, login, key)
        self.recorded(RecordedEvent.VERSION_ACTIVATED, at, login, key, user=user)

    def rotate(self, key: Key, at: dt.datetime, login: str, policy: dict[str, Any] | None, *, trigger: str) -> None:
        """Schedule a rotation and complete it within a minute, as a worker does."""
        rotation = {
            "id": self.new_id(), "key_id": key.id, "policy_id": policy and policy["id"], "trigger": trigger,
            "scheduled_at": at, "started_at": at, "completed_at": at + 40 * SECOND,
            "old_version": len(key.versions), "new_version": len(key.versions) + 1, "status": "COMPLETED",
            "claimed_by": "worker-1/a",
        }  # fmt: skip
        self.rotations.append(rotation)
        for event in (RecordedEvent.ROTATION_SCHEDULED, RecordedEvent.ROTATION_STARTED):
            self.recorded(event, at, login, key, row=rotation["id"])
        self.version(key, at + 20 * SECOND, login)
        key.master["rotated_at"] = at + 20 * SECOND
        self.recorded(RecordedEvent.KEY_CHANGED, at + 20 * SECOND, login, key)
        self.recorded(RecordedEvent.ROTATION_COMPLETED, at + 40 * SECOND, login, key, row=rotation["id"])

    def end(self, key: Key, at: dt.datetime, login: str, status: str, user: str | None = None) -> None:
        """Revoke a key, or let another take its place (`rotated`)."""
        key.master["status"] = status
        key.master[f"{status}_at"] = at
        if status == "revoked":
            key.versions[-1]["deactivated_at"] = at
        self.recorded(RecordedEvent[f"KEY_{status.upper()}"], at, login, key, user=user)

    def recorded(
        self, event: RecordedEvent, at: dt.datetime, login: str, key: Key | None = None, *,
        user: str | None = None, row: uuid.UUID | None = None, **over: Any,
    ) -> None:  # fmt: skip
        """Add an entry as the database writes it; `over` are columns that differ."""
        subject = event.partition("_")[0]
        name = "" if key is None else key.name
        document: dict[str, Any] = {"id": str(row), "changed": ["status"], "to": {}}
        if key is not None and subject == "KEY":
            document["id"] = str(key.id)
        elif key is not None:
            document |= {"id": str(row or (key.versions[-1]["id"] if key.versions else None)), "key_id": str(key.id)}
        has_key = not event.endswith(("_CREATED", "_DELETED", "_SCHEDULED"))
        self.add({
            "timestamp": at, "recorded_by": login, "key_id": key.id if has_key and key else None, "event_type": event,
            "event_category": event.category, "security_level": event.security_level, "user_id": user,
            "event_description": f"{event.lower().replace('_', ' ')}: {name}", "additional_metadata": document, **over,
        })  # fmt: skip

    def use(
        self, key: Key, at: dt.datetime, login: str, *, encryptions: int = 0, decryptions: int = 0,
        process: str = "host:1", version: int | None = None, event: UseEvent = UseEvent.KEY_USED, **over: Any,
    ) -> None:  # fmt: skip
        """Add an entry as a key ring writes it."""
        document: dict[str, Any] = {"version": version or key.live(at), "process": process}
        if event is UseEvent.KEY_USED:
            document |= {"encryptions": encryptions, "decryptions": decryptions, "bytes": 100 * encryptions}
        else:
            document |= {"reason": "KeyRevokedError"}
        self.add({
            "timestamp": at, "recorded_by": login, "key_id": key.id, "event_type": event,
            "event_category": event.category, "security_level": event.security_level,
            "event_description": f"key used: {key.name}", "additional_metadata": document, **over,
        })  # fmt: skip

    def add(self, entry: dict[str, Any]) -> None:
        self.entries.append(tuple(entry.get(column) for column in ENTRY))

    def rows(self) -> Iterator[tuple[str, Sequence[str], list[tuple[Any, ...]]]]:
        """Yield the tables but the log, with columns and rows, in an order that foreign keys allow."""
        versions = [version for key in self.keys for version in key.versions]
        tables = {
            "rotation_policies": (POLICY, self.policies),
            "key_masters": (MASTER, [key.master for key in self.keys]),
            "key_versions": (VERSION, versions),
            "key_rotations": (ROTATION, self.rotations),
        }
        for table, (columns, rows) in tables.items():
            yield table, columns, [tuple(row[column] for column in columns) for row in rows]
