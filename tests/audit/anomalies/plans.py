"""Days of some services, and what happens in them besides: the plans of the cases."""

import datetime as dt
from collections.abc import Callable

from kms_schema.audit.anomalies.rules import SWEEP_KEYS
from kms_schema.vocabulary import RecordedEvent
from tests.audit.anomalies.life import Key, Life

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS = 110
JUDGED = 60
"""The first day that is judged."""


def at(day: int, hour: int = 12, minute: int = 0) -> dt.datetime:
    return BEGIN + dt.timedelta(days=day, hours=hour, minutes=minute)


Plan = Callable[[Life, dict[str, Key]], object]


def nothing(_life: Life, _keys: dict[str, Key]) -> None:
    """Add nothing: the case is about what is usual."""


NAMES = [f"orders-{n}" for n in range(4)] + [f"wide-{n}" for n in range(SWEEP_KEYS + 10)]


def ordinary(life: Life) -> dict[str, Key]:
    """Return keys that a service uses each day, and the login of each."""
    keys = {name: life.key(name, at(0, 1)) for name in NAMES}
    for day in range(DAYS):
        for number, key in enumerate(keys.values()):
            if number < 4 or day % 30 == 20:
                life.use(key, at(day, 8), "orders", decryptions=400, process=f"orders-1:{day}")
        for number in range(SWEEP_KEYS + 2):
            life.use(keys[f"wide-{number}"], at(day, 2), "nightly", decryptions=10, process=f"night:{day}")
        life.recorded(RecordedEvent.KEY_CHANGED, at(day, 10), "console", keys["orders-0"], user="alice")
        if day % 10 == 0:
            life.recorded(RecordedEvent.VERSION_CHANGED, at(day, 11), "rotator", keys["orders-0"])
    return keys


def own_key(life: Life, keys: dict[str, Key], name: str, status: str | None = None, day: int = 70) -> Key:
    """Add a key of its own, used by `orders` each day until it ends."""
    keys[name] = key = life.key(name, at(0, 1))
    for each in range(0, day + 1, 3):
        life.use(key, at(each, 8), "orders", encryptions=30, decryptions=30, process="orders-1:7")
    if status is not None:
        life.end(key, at(day, 9), "console", status, user="alice")
    return key


def many(life: Life, keys: dict[str, Key], login: str, count: int, day: int) -> None:
    for number in range(count):
        life.use(keys[f"wide-{number}"], at(day, 3, number), login, decryptions=1, process="x:1")


def _policies(life: Life) -> None:
    if not life.policies:
        life.policy("tls", ("22:00", "04:00"))
        life.policy("backup", ("22:00", "04:00"), "UTC")
        life.policy("kek", ("22:00", "04:00"), "UTC")


def rotated(
    life: Life, keys: dict[str, Key], name: str, when: dt.datetime, key_type: str = "tls", *,
    trigger: str = "scheduled", with_policy: bool = True,
) -> None:  # fmt: skip
    _policies(life)
    keys[name] = key = life.key(name, at(0, 1), key_type=key_type)
    policy = next(each for each in life.policies if each["key_type"] == key_type) if with_policy else None
    life.rotate(key, when, "rotator", policy, trigger=trigger)


def replaced(life: Life, keys: dict[str, Key], name: str, when: dt.datetime) -> None:
    """Rotate without the queue, as `keys rotate` does."""
    _policies(life)
    keys[name] = key = life.key(name, at(0, 1), key_type="tls")
    life.version(key, when, "rotator")


def rotated_and_later(life: Life, keys: dict[str, Key], name: str, *, taken_over: bool) -> None:
    """Rotate in the window, and have a version live at noon of the next day, after another worker took over or not."""
    rotated(life, keys, name, at(71, 2, 30))
    if taken_over:
        row = life.rotations[-1]["id"]
        life.recorded(RecordedEvent.ROTATION_TAKEN_OVER, at(72, 3), "rotator", keys[name], row=row)
    life.version(keys[name], at(72), "rotator")


def moved_window(life: Life, keys: dict[str, Key], key_type: str, opened: dt.datetime) -> None:
    """Open the window of a type at noon, and rotate a key in it; the policies are left as they were."""
    _policies(life)
    policy = next(each for each in life.policies if each["key_type"] == key_type)
    for when, to, old in ((opened, "11:00", "22:00"), (at(76), "22:00", "11:00")):
        life.recorded(
            RecordedEvent.POLICY_CHANGED, when, "console", user="alice", event_description="policy changed: it",
            additional_metadata={
                "id": str(policy["id"]), "changed": ["rotation_window_end", "rotation_window_start"],
                "from": {"rotation_window_start": old, "rotation_window_end": "04:00" if old == "22:00" else "13:00"},
                "to": {"rotation_window_start": to},
            },
        )  # fmt: skip
    rotated(life, keys, f"moved-{key_type}", at(75), key_type)


def expired(life: Life, keys: dict[str, Key], name: str, on: int) -> None:
    """Encrypt until day 82, with a key that expires on a day; its status stays active."""
    key = own_key(life, keys, name)
    key.master["expires_at"] = at(on)
    for day in (72, 79, 82):
        life.use(key, at(day), "orders", encryptions=5, process="orders-1:7")


def used_twice(life: Life, keys: dict[str, Key], name: str, status: str | None, process: str, **counts: int) -> None:
    """Use a key, or its first version, twice after its end; `orders-1:7` used it before."""
    key = own_key(life, keys, name, status)
    if status is None:
        life.version(key, at(70, 22, 30), "rotator")
    for day in (80, 81):
        life.use(key, at(day), "orders", process=process, version=1, **counts)


def spiking(life: Life, keys: dict[str, Key], name: str, usual: int, days: range, *, peaks: dict[int, int]) -> None:
    keys[name] = key = life.key(name, at(0, 1))
    for day in days:
        life.use(key, at(day, 8), "orders", decryptions=usual, process="orders-1:9")
    for day, uses in peaks.items():
        life.use(key, at(day, 9), "orders", encryptions=uses, process="orders-1:9")


def changed(life: Life, keys: dict[str, Key], user: str, *days: int, count: int = 1) -> None:
    for day in days:
        for number in range(count):
            life.recorded(RecordedEvent.KEY_CHANGED, at(day, 14, number), "console", keys[f"wide-{number}"], user=user)


def forged(event: RecordedEvent, user: str, **over: object) -> Plan:
    return lambda life, keys: life.recorded(event, at(80), "owner", keys["orders-1"], user=user, **over)


def jumped(user: str, times: int) -> Plan:
    def plan(life: Life, keys: dict[str, Key]) -> None:
        for minute in range(times):
            life.recorded(RecordedEvent.VERSION_COUNT_JUMPED, at(80, 12, minute), "orders", keys["orders-1"], user=user)

    return plan


def forged_use(document: dict[str, object], user: str) -> Plan:
    return lambda life, keys: life.use(
        keys["orders-1"], at(80), "orders", user_id=user, additional_metadata={**document, "process": "x:1"}
    )
