"""Ninety days of audit entries from a seed: busy days, quiet nights, bursts, and a few keys with most entries."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any

from benchmarks.data.size import Ages
from kms_schema.vocabulary import AuditCategory as Category
from kms_schema.vocabulary import AuditSecurityLevel as Level

EVENT_COLUMNS = (
    "id", "timestamp", "recorded_by", "key_id", "event_type", "event_category", "event_description", "user_id",
    "session_id", "client_ip", "duration_ms", "security_level", "risk_score", "additional_metadata",
)  # fmt: skip
TIMESTAMP = EVENT_COLUMNS.index("timestamp")
DAYS = 90
BURSTS = 40
"""The number of hours with eight times as many entries."""


@dataclass(frozen=True)
class Kind:
    """One kind of entries, and its number in a hundred thousand."""

    share: int
    event_type: str
    category: Category
    level: Level
    risks: tuple[int, int]
    says: str
    of_key: bool = True


KINDS = (
    Kind(52_000, "DECRYPT", Category.SECURITY, Level.LOW, (0, 30), "a data key was unwrapped for the payment service"),
    Kind(24_000, "ENCRYPT", Category.SECURITY, Level.LOW, (0, 30), "a data key was used by the payment service"),
    Kind(9_000, "SIGN", Category.SECURITY, Level.LOW, (0, 40), "a certificate request was signed"),
    Kind(4_000, "EXPORT", Category.SECURITY, Level.MEDIUM, (30, 69), "a wrapped key was handed to a partner"),
    Kind(4_000, "VERSION_ACTIVATED", Category.LIFECYCLE, Level.LOW, (0, 10), "version activated: by a rotation"),
    Kind(2_500, "ROTATION_COMPLETED", Category.LIFECYCLE, Level.LOW, (0, 10), "rotation completed: as planned"),
    Kind(2_000, "APPROVAL", Category.COMPLIANCE, Level.LOW, (0, 20), "two custodians approved the use of a key"),
    Kind(1_000, "LOGIN", Category.SECURITY, Level.LOW, (0, 20), "an operator opened a session", of_key=False),
    Kind(600, "DECRYPT_FAILED", Category.SECURITY, Level.MEDIUM, (40, 69), "the tag of a ciphertext did not match"),
    Kind(
        500, "ACCESS_DENIED", Category.SECURITY, Level.HIGH, (70, 90), "a service asked for a key that is not its own"
    ),
    Kind(200, "ROTATION_FAILED", Category.LIFECYCLE, Level.MEDIUM, (30, 60), "rotation failed: the HSM was busy"),
    Kind(100, "POLICY_CHANGED", Category.POLICY, Level.MEDIUM, (20, 50), "policy changed: windows", of_key=False),
    Kind(85, "KEY_REVOKED", Category.LIFECYCLE, Level.HIGH, (60, 80), "key revoked: reported lost"),
    Kind(10, "ROTATION_REQUIRED", Category.COMPLIANCE, Level.MEDIUM, (40, 60), "the auditor asks for a new version"),
    Kind(5, "COMPROMISE_SUSPECTED", Category.SECURITY, Level.CRITICAL, (90, 100), "used from two continents at once"),
)


def hours(count: int, random: Random) -> list[int]:
    """Return the number of entries in each hour of the ninety days, the oldest first."""
    weights = []
    for hour in range(DAYS * 24):
        by_day = 1.0 if 7 <= hour % 24 < 20 else 0.15
        at_weekend = 0.4 if hour // 24 % 7 >= 5 else 1.0
        weights.append(by_day * at_weekend)
    for hour in random.sample(range(len(weights)), BURSTS):
        weights[hour] *= 8
    reached = [round(count * total / sum(weights)) for total in accumulate(weights)]
    return [after - before for before, after in zip([0, *reached], reached, strict=False)]


def popularity(keys: int) -> list[float]:
    """Return the cumulative use of the keys: the second is used half as often as the first, and so on (Zipf)."""
    return list(accumulate(1 / rank for rank in range(1, keys + 1)))


def events(count: int, seed: int, ages: Ages, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of `EVENT_COLUMNS`, the oldest first; `keys` are ids, the most used first."""
    random = Random(f"{seed} events")
    weights = popularity(len(keys))
    shares = list(accumulate(kind.share for kind in KINDS))
    begins = ages.moment - dt.timedelta(days=DAYS)
    for hour, number in enumerate(hours(count, random)):
        start = begins + dt.timedelta(hours=hour)
        kinds = random.choices(KINDS, cum_weights=shares, k=number)
        chosen = random.choices(keys, cum_weights=weights, k=number)
        for place, (kind, key) in enumerate(zip(kinds, chosen, strict=True)):
            second = 3_600 * (place + random.random()) / number
            yield _event(random, kind, key, start + dt.timedelta(seconds=second))


EPOCH = dt.datetime(1970, 1, 1)
"""Times here are in UTC, without a time zone."""


def _event(random: Random, kind: Kind, key: str, at: dt.datetime) -> tuple[Any, ...]:
    bits = random.getrandbits(96)
    milliseconds = (at - EPOCH) // dt.timedelta(milliseconds=1)
    user, session, address = bits % 5_000, bits >> 13 & 0xFFFFF, bits >> 33 & 0xFF
    low, high = kind.risks
    return (
        f"{milliseconds:012x}7{bits & 0xFFF:03x}8{bits >> 12 & 0xFFFFFFFFFFFFFFF:015x}",
        at.isoformat(timespec="microseconds") + "Z",
        "kms_application",
        key if kind.of_key else None,
        kind.event_type,
        kind.category,
        kind.says,
        f"user-{user}",
        f"session-{session}",
        f"10.0.{user & 0xFF}.{address}",
        bits >> 41 & 0x3F,
        kind.level,
        low + (bits >> 47) % (high - low + 1),
        f'{{"bytes": {bits >> 60 & 0xFFFF}, "request": {bits >> 76}}}',
    )
