"""Sixty days of three services, and what each rule must find in them or leave alone."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.rules import SPIKE_USES, SWEEP_KEYS, RuleName
from kms_schema.vocabulary import RecordedEvent, UseEvent
from tests.audit.anomalies.life import Key, Life

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS = 110
JUDGED = 60
"""The first day that is judged."""


def at(day: int, hour: int = 12, minute: int = 0) -> dt.datetime:
    return BEGIN + dt.timedelta(days=day, hours=hour, minutes=minute)


@dataclass
class Case:
    """Entries, and the anomaly that they are, by rule and by what it says; None where there must be none."""

    name: str
    plan: Callable[[Life, dict[str, Key]], None]
    rule: RuleName
    actor: str | None = None
    key: str | None = None
    says: str = ""
    day: int | None = None
    entries: int = 1
    """0: nothing may be found."""

    def matches(self, anomaly: Anomaly) -> bool:
        """Return whether an anomaly is about the actor and the key of this case, on its day."""
        return (
            anomaly.rule is self.rule
            and (self.actor is None or anomaly.actor == self.actor)
            and (self.key is None or self.key in {entry.key_id for entry in anomaly.entries})
            and (self.day is None or anomaly.day == at(self.day).date())
        )


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


def _key(life: Life, keys: dict[str, Key], name: str, status: str | None = None, day: int = 70) -> Key:
    """Add a key of its own, used by `orders` each day until it ends."""
    keys[name] = key = life.key(name, at(0, 1))
    for each in range(0, day + 1, 3):
        life.use(key, at(each, 8), "orders", encryptions=30, decryptions=30, process="orders-1:7")
    if status is not None:
        life.end(key, at(day, 9), "console", status, user="alice")
    return key


def _many(life: Life, keys: dict[str, Key], login: str, count: int, day: int) -> None:
    for number in range(count):
        life.use(keys[f"wide-{number}"], at(day, 3, number), login, decryptions=1, process="x:1")


def _policies(life: Life) -> None:
    if not life.policies:
        life.policy("tls", ("22:00", "04:00"))
        life.policy("backup", ("22:00", "04:00"), "UTC")
        life.policy("kek", ("22:00", "04:00"), "UTC")


def _rotated(
    life: Life, keys: dict[str, Key], name: str, when: dt.datetime, key_type: str = "tls", *,
    trigger: str = "scheduled", with_policy: bool = True,
) -> None:  # fmt: skip
    _policies(life)
    keys[name] = key = life.key(name, at(0, 1), key_type=key_type)
    policy = next(each for each in life.policies if each["key_type"] == key_type) if with_policy else None
    life.rotate(key, when, "rotator", policy, trigger=trigger)


def _replaced(life: Life, keys: dict[str, Key], name: str, when: dt.datetime) -> None:
    """Rotate without the queue, as `keys rotate` does."""
    _policies(life)
    keys[name] = key = life.key(name, at(0, 1), key_type="tls")
    life.version(key, when, "rotator")


def _moved_window(life: Life, keys: dict[str, Key], key_type: str, opened: dt.datetime) -> None:
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
    _rotated(life, keys, f"moved-{key_type}", at(75), key_type)


def _used_twice(life: Life, keys: dict[str, Key], name: str, status: str | None, process: str, **counts: int) -> None:
    """Use a key, or its first version, twice after its end; `orders-1:7` used it before."""
    key = _key(life, keys, name, status)
    if status is None:
        life.version(key, at(70, 22, 30), "rotator")
    for day in (80, 81):
        life.use(key, at(day), "orders", process=process, version=1, **counts)


def _spiking(life: Life, keys: dict[str, Key], name: str, usual: int, days: range, peaks: dict[int, int]) -> None:
    keys[name] = key = life.key(name, at(0, 1))
    for day in days:
        life.use(key, at(day, 8), "orders", decryptions=usual, process="orders-1:9")
    for day, uses in peaks.items():
        life.use(key, at(day, 9), "orders", encryptions=uses, process="orders-1:9")


def _changed(life: Life, keys: dict[str, Key], user: str, *days: int, count: int = 1) -> None:
    for day in days:
        for number in range(count):
            life.recorded(RecordedEvent.KEY_CHANGED, at(day, 14, number), "console", keys[f"wide-{number}"], user=user)


def _forged(event: RecordedEvent, user: str, **over: object) -> Callable[[Life, dict[str, Key]], None]:
    return lambda life, keys: life.recorded(event, at(80), "owner", keys["orders-1"], user=user, **over)


def _forged_use(document: dict[str, object], user: str) -> Callable[[Life, dict[str, Key]], None]:
    return lambda life, keys: life.use(
        keys["orders-1"], at(80), "orders", user_id=user, additional_metadata={**document, "process": "x:1"}
    )


NEW, ENDED, SWEEP, SPIKE, WINDOW, FORGED = RuleName
CASES = (
    Case("another service uses a key", lambda life, k: life.use(k["orders-0"], at(90), "stranger"), NEW, "stranger", "orders-0", "used key orders-0 for the first time"),
    Case("a service uses its own keys", lambda life, k: None, NEW, "orders", entries=0),
    Case("a service uses a new key", lambda life, k: life.use(life.key("born", at(85)), at(90), "newcomer"), NEW, "newcomer", entries=0),
    Case("a job runs each quarter", lambda life, k: [life.use(k["orders-1"], at(day), "quarter") for day in (5, 97)] and None, NEW, "quarter", entries=0),
    Case("a new member of staff", lambda life, k: _changed(life, k, "mallory", 90), NEW, "console for mallory", says="changed keys for the first time"),
    Case("a member of staff", lambda life, k: None, NEW, "console for alice", entries=0),
    Case("somebody who is on call each quarter", lambda life, k: _changed(life, k, "bob", 10, 100), NEW, "console for bob", entries=0),
    Case("a process uses a key that was revoked", lambda life, k: life.use(_key(life, k, "gone-0", "revoked"), at(80), "orders", process="new:1"), ENDED, key="gone-0", says="after its end"),
    Case("a process ends after the key was revoked", lambda life, k: life.use(_key(life, k, "gone-1", "revoked"), at(80), "orders", process="orders-1:7", decryptions=9), ENDED, key="gone-1", entries=0),
    Case("a process goes on with a key that was revoked", lambda life, k: _used_twice(life, k, "gone-2", "revoked", "orders-1:7", decryptions=9), ENDED, key="gone-2", says="after its end"),
    Case("a ring has the key that was just revoked", lambda life, k: life.use(_key(life, k, "gone-3", "revoked"), at(70, 9, 50), "orders", process="new:1"), ENDED, key="gone-3", entries=0),
    Case("a key encrypts after another took its place", lambda life, k: _used_twice(life, k, "old-0", "rotated", "orders-1:7", encryptions=5), ENDED, key="old-0", says="after its end"),
    Case("a key decrypts after another took its place", lambda life, k: _used_twice(life, k, "old-1", "rotated", "new:1", decryptions=5), ENDED, key="old-1", entries=0),
    Case("an ended version encrypts", lambda life, k: _used_twice(life, k, "old-2", None, "orders-1:7", encryptions=5), ENDED, key="old-2", says="a version of it after its end"),
    Case("an ended version decrypts", lambda life, k: _used_twice(life, k, "old-3", None, "new:1", decryptions=5), ENDED, key="old-3", entries=0),
    Case("a revoked key is opened", lambda life, k: life.use(_key(life, k, "gone-4", "revoked"), at(80), "rotator", event=UseEvent.REVOKED_KEY_OPENED), ENDED, "rotator", "gone-4", "opened the revoked key"),
    Case("a login reads many keys", lambda life, k: _many(life, k, "reader", SWEEP_KEYS, 88), SWEEP, "reader", says=f"used {SWEEP_KEYS} keys in a day", entries=SWEEP_KEYS),
    Case("a login reads fewer keys", lambda life, k: _many(life, k, "reader-2", SWEEP_KEYS - 1, 88), SWEEP, "reader-2", entries=0),
    Case("a job reads many keys each night", lambda life, k: None, SWEEP, "nightly", entries=0),
    Case("a service uses many keys each month", lambda life, k: None, SWEEP, "orders", entries=0),
    Case("somebody changes many keys", lambda life, k: _changed(life, k, "alice", 91, count=SWEEP_KEYS), SWEEP, "console", says=f"changed {SWEEP_KEYS + 1} keys", entries=SWEEP_KEYS + 1),
    Case("a login is refused many keys", lambda life, k: [life.use(k[f"wide-{n}"], at(93), "prober", event=UseEvent.KEY_USE_REFUSED) for n in range(SWEEP_KEYS)] and None, SWEEP, "prober", says="used", entries=SWEEP_KEYS),
    Case("a key is used far more", lambda life, k: _spiking(life, k, "hot", 400, range(DAYS), {92: SPIKE_USES}), SPIKE, key="hot", says="1400 uses in a day, and at most 400", entries=2),
    Case("a key is used more", lambda life, k: _spiking(life, k, "warm", 400, range(DAYS), {92: 800}), SPIKE, key="warm", entries=0),
    Case("a key of few uses is used more", lambda life, k: _spiking(life, k, "cold", 10, range(DAYS), {92: 900}), SPIKE, key="cold", entries=0),
    Case("a key is used much at the end of the month", lambda life, k: _spiking(life, k, "monthly", 100, range(DAYS), {55: 5000, 88: 5000}), SPIKE, key="monthly", entries=0),
    Case("a young key is used far more", lambda life, k: _spiking(life, k, "young", 10, range(80, DAYS), {95: 5000}), SPIKE, key="young", entries=0),
    Case("a rotation at noon", lambda life, k: _rotated(life, k, "noon", at(75)), WINDOW, key="noon", says="rotated 3 keys outside the rotation window", entries=3),
    Case("a rotation in the window", lambda life, k: _rotated(life, k, "night", at(75, 2, 30)), WINDOW, key="night", entries=0),
    Case("a rotation after the window, by the clock of its zone", lambda life, k: _rotated(life, k, "dawn", at(75, 3, 30)), WINDOW, key="dawn", entries=3),
    Case("a rotation that ends after its window", lambda life, k: _rotated(life, k, "late", at(75, 2, 59) + dt.timedelta(seconds=50)), WINDOW, key="late", entries=0),
    Case("a rotation without a policy, at a limit of use", lambda life, k: _rotated(life, k, "limit", at(75), trigger="usage_count", with_policy=False), WINDOW, key="limit", entries=0),
    Case("a rotation without a policy, on demand", lambda life, k: _rotated(life, k, "manual", at(74), trigger="manual", with_policy=False), WINDOW, key="manual"),
    Case("a version without a rotation", lambda life, k: _replaced(life, k, "replaced", at(73)), WINDOW, key="replaced"),
    Case("a new key at noon", lambda life, k: life.key("fresh", at(75), key_type="tls") and None, WINDOW, key="fresh", entries=0),
    Case("a key without a policy", lambda life, k: life.version(k["orders-3"], at(75), "rotator"), WINDOW, key="orders-3", entries=0),
    Case("a window that is opened for a rotation", lambda life, k: _moved_window(life, k, "backup", at(75, 11)), WINDOW, key="moved-backup", entries=3),
    Case("a window that was changed days before", lambda life, k: _moved_window(life, k, "kek", at(73, 11)), WINDOW, key="moved-kek", entries=0),
    Case("a revocation that did not happen", _forged(RecordedEvent.KEY_REVOKED, "a"), FORGED, "owner for a", says="a status that the key cannot have had"),
    Case("a type that looks like one", _forged(RecordedEvent.KEY_CHANGED, "b", event_type="KEY_REV0KED"), FORGED, "owner for b", says="looks like one of the database"),
    Case("a level of its own", _forged(RecordedEvent.KEY_CHANGED, "c", security_level="LOW"), FORGED, "owner for c", says="another category or level"),
    Case("an address", _forged(RecordedEvent.KEY_CHANGED, "d", client_ip="::1"), FORGED, "owner for d", says="leaves empty"),
    Case("no document", _forged(RecordedEvent.KEY_CHANGED, "e", additional_metadata={"note": "x"}), FORGED, "owner for e", says="another form"),
    Case("a description of its own", _forged(RecordedEvent.KEY_CHANGED, "f", event_description="done"), FORGED, "owner for f", says="another description"),
    Case("the document of another key", _forged(RecordedEvent.KEY_CHANGED, "g", additional_metadata={"id": str(uuid.uuid4()), "changed": []}), FORGED, "owner for g", says="another key than its document"),
    Case("a version that never was", _forged(RecordedEvent.VERSION_REWRAPPED, "h", row=uuid.UUID(int=1)), FORGED, "owner for h", says="a version that the key does not have"),
    Case("a destruction that did not happen", _forged(RecordedEvent.VERSION_DESTROYED, "i"), FORGED, "owner for i", says="a version that is not destroyed"),
    Case("a use of a version that never was", _forged_use({"version": 99, "encryptions": 0, "decryptions": 1}, "j"), FORGED, "orders for j", says="a version that the key does not have"),
    Case("a use without counts", _forged_use({"version": 1}, "k"), FORGED, "orders for k", says="another form"),
    Case("an entry of an application", lambda life, k: life.recorded(RecordedEvent.KEY_CHANGED, at(80), "orders", k["orders-1"], user="l", event_type="ORDER_PLACED", client_ip="::1"), FORGED, "orders for l", entries=0),
)  # fmt: skip
