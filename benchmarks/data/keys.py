"""Keys of every type with their versions, and the rotations that created those, from a seed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.data.rotations import POLICIES, REASONS, Policy, Rotations
from benchmarks.data.size import Ages, Size
from kms_schema.vocabulary import HsmProvider, KeyStatus, KeyType

Row = tuple[Any, ...]

MASTER_COLUMNS = (
    "id", "key_id", "key_type", "algorithm", "key_size_bits", "status", "created_at", "activated_at", "rotated_at",
    "expires_at", "expired_at", "revoked_at", "archived_at", "parent_key_id", "usage_count", "max_usage_count",
    "hsm_provider", "hsm_key_id", "security_level", "updated_at",
)  # fmt: skip
VERSION_COLUMNS = (
    "id", "key_id", "version_number", "encrypted_key_data", "key_checksum", "encryption_metadata",
    "wrapped_by_version_id", "wrapping_key_ref", "created_at", "activated_at", "deactivated_at", "destroyed_at",
    "usage_count", "data_volume_bytes", "hsm_key_id",
)  # fmt: skip

TYPES = {KeyType.DEK: 0.81, KeyType.TLS: 0.11, KeyType.HSM: 0.04, KeyType.BACKUP: 0.04}
"""The shares of types among the keys other than KEKs, of which there is one for each hundred."""
STATUSES = {
    KeyStatus.ACTIVE: 0.62,
    KeyStatus.ROTATED: 0.12,
    KeyStatus.EXPIRED: 0.10,
    KeyStatus.REVOKED: 0.03,
    KeyStatus.ARCHIVED: 0.12,
    KeyStatus.PENDING: 0.01,
}
SHARE_WITH_EXPIRY = 0.25
"""The share with an expiry among keys other than TLS keys, which all have one; rotated keys need none."""
ALGORITHMS = {
    KeyType.KEK: ("AES-256-KWP", 256),
    KeyType.DEK: ("AES-256-GCM", 256),
    KeyType.TLS: ("ECDSA-P384", 384),
    KeyType.HSM: ("RSA-3072", 3072),
    KeyType.BACKUP: ("AES-256-GCM", 256),
}
METADATA = json.dumps({"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key"})
VERSIONS_KEPT = 12
"""Versions that are not destroyed; one of the last three wraps."""
ALWAYS_ACTIVE = 10
"""The first keys, which are used most."""


@dataclass
class Key:
    """A key and its rows."""

    identifier: str
    status: KeyStatus
    master: Row
    versions: list[Row] = field(default_factory=list)
    rotations: list[Row] = field(default_factory=list)


def identifier(random: Random) -> str:
    """Return a UUID of version 4 as 32 hexadecimal digits, which both engines accept."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:12]}4{digits[13:16]}8{digits[17:]}"


class Registry:
    """All keys of a size: the KEKs first; every tenth is a root that a provider wraps."""

    def __init__(self, size: Size, seed: int, ages: Ages) -> None:
        """Create nothing yet."""
        self._size = size
        self._ages = ages
        self._random = Random(f"{seed} keys")
        self._wrappers: list[tuple[str, list[str]]] = []
        """The name of each KEK, and its versions."""
        self._roots = 0
        self.policies = {policy.key_type: (identifier(self._random), policy) for policy in POLICIES}

    def keys(self) -> Iterator[Key]:
        """Create the keys one after the other: wrappers before their dependents."""
        weights = [*TYPES.values()]
        keks = max(4, self._size.keys // 100)
        for number in range(1, keks + 1):
            yield self._key(KeyType.KEK, number)
        numbers = dict.fromkeys(TYPES, 0)
        others = self._size.keys - keks
        every = max(1, others // (2 * self._size.keys_due))
        due = 0
        for place in range(1, others + 1):
            is_due = place % every == 0 and due < self._size.keys_due and place > ALWAYS_ACTIVE
            due += is_due
            reason = REASONS[due % len(REASONS)] if is_due else None
            few = place <= ALWAYS_ACTIVE or is_due
            key_type = KeyType.DEK if few else self._random.choices([*TYPES], weights)[0]
            numbers[key_type] += 1
            yield self._key(key_type, numbers[key_type], reason)

    def _key(self, key_type: KeyType, number: int, reason: str | None = None) -> Key:
        random, ages = self._random, self._ages
        policy = self.policies[key_type][1]
        status = KeyStatus.ACTIVE
        if key_type is not KeyType.KEK and reason is None and number > ALWAYS_ACTIVE:
            status = random.choices([*STATUSES], [*STATUSES.values()])[0]
        count = 1 if status is KeyStatus.PENDING else random.randint(*self._size.versions)
        life = _Life.of(random, policy, status, count, reason)
        name = f"{key_type}-{number}"
        parent, wrappers = self._parent(key_type)
        key = Key(identifier(random), status, ())
        uses = [_uses(random) for _ in life.activated]
        uses[-1] = policy.uses_due(reason) or uses[-1]
        for place, used in enumerate(uses):
            key.versions.append(self._version(key, life, place, used, random.choice(wrappers) if wrappers else None))
        if key_type is KeyType.KEK:
            self._wrappers.append((name, [str(version[0]) for version in key.versions[-3:]]))
            self._roots += parent is None
        algorithm, bits = ALGORITHMS[key_type]
        total = sum(count for count, _ in uses)
        provider = random.choice([*HsmProvider]) if key_type is KeyType.HSM else None
        key.master = (
            key.identifier, name, key_type, algorithm, bits, status, ages.ago(life.created),
            *(None if days is None else ages.ago(days) for days in life.times(random, reason)),
            parent, total, int(total * random.uniform(1.2, 3)) + 1 if random.random() < 0.1 else None,
            provider, f"handle-{number}" if provider else None,
            "MAXIMUM" if random.random() < 0.05 else "HIGH", ages.ago(life.activated[-1]),
        )  # fmt: skip
        rotations = Rotations(random, ages, key.identifier, self.policies[key_type][0])
        key.rotations = [*rotations.made(life.activated)]
        if status is KeyStatus.ACTIVE and reason is None:
            key.rotations += rotations.opened(len(life.activated))
        return key

    def _parent(self, key_type: KeyType) -> tuple[str | None, list[str]]:
        """Return the name of a parent, and its versions that wrap; a root has neither."""
        made = len(self._wrappers)
        if key_type is KeyType.KEK:
            return (None, []) if made % 10 == 0 else self._wrappers[made // 10 * 10]
        return self._wrappers[self._random.randrange(made)]

    def _version(self, key: Key, life: "_Life", place: int, used: tuple[int, int], wrapper: str | None) -> Row:
        random, ages, last, key_type = self._random, self._ages, len(life.activated) - 1, life.key_type
        pending = key.status is KeyStatus.PENDING
        destroyed = place + VERSIONS_KEPT <= last
        ended = life.activated[place + 1] if place < last else life.ended
        held = key_type is not KeyType.HSM and not destroyed
        bits = ALGORITHMS[key_type][1]
        return (
            identifier(random), key.identifier, place + 1,
            b"\x01" + random.randbytes(12 + bits // 8 + 16) if held else None,
            f"{random.getrandbits(256):064x}" if key_type is not KeyType.HSM else None,
            METADATA if held else None, wrapper if held else None,
            "kms://root" if held and wrapper is None else None,
            ages.ago(life.activated[place] if not pending else life.created),
            None if pending else ages.ago(life.activated[place]),
            None if ended is None else ages.ago(ended),
            ages.ago(life.activated[place + VERSIONS_KEPT]) if destroyed else None,
            0 if pending else used[0], 0 if pending else used[1],
            f"handle-{place + 1}" if key_type is KeyType.HSM and not destroyed else None,
        )  # fmt: skip


@dataclass(frozen=True)
class _Life:
    """The times of a key, in days ago."""

    key_type: KeyType
    status: KeyStatus
    activated: list[float]
    """The activation of each version."""
    created: float
    ended: float | None
    """The end of the last version and start of the key's status; None while it is active or pending."""

    @classmethod
    def of(cls, random: Random, policy: Policy, status: KeyStatus, count: int, reason: str | None) -> "_Life":
        """Return the times of a key with a number of versions, in a status, due or not."""
        between = random.uniform(0.2, 0.8) * policy.interval_days
        ended = None
        if status is KeyStatus.PENDING:
            last = random.uniform(0.1, 3)
        elif status is KeyStatus.ACTIVE:
            last = policy.days_since(random, reason)
        else:
            ended = random.uniform(0.5, 300)
            last = ended + random.uniform(0.5, 60)
        activated = [last + between * place for place in reversed(range(count))]
        return cls(policy.key_type, status, activated, activated[0] + 0.05, ended)

    def times(self, random: Random, reason: str | None) -> tuple[float | None, ...]:
        """Return activated_at, rotated_at, expires_at, expired_at, revoked_at and archived_at."""
        if self.status is KeyStatus.PENDING:
            return (None, None, None, None, None, None)
        rotated = self.activated[-1] if len(self.activated) > 1 else None
        if self.status is KeyStatus.ROTATED:
            rotated = self.ended
        ends = self.key_type is KeyType.TLS or random.random() < SHARE_WITH_EXPIRY or self.status is KeyStatus.EXPIRED
        expires = -random.uniform(3, 400) if ends else None
        if self.status is KeyStatus.EXPIRED:
            expires = self.ended
        if reason is not None:
            expires = random.uniform(-0.8, 2) if reason == "expiry" else None
        reached = [self.ended if self.status is each else None for each in ENDS]
        return (self.activated[0], rotated, expires, *reached)


ENDS = (KeyStatus.EXPIRED, KeyStatus.REVOKED, KeyStatus.ARCHIVED)


def _uses(random: Random) -> tuple[int, int]:
    """Return operations and bytes of a version: most are used little, a few very much."""
    count = min(int(1_000 * random.paretovariate(1.1)), 5_000_000)
    return count, count * random.randint(64, 8_192)
