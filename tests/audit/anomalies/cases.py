"""Cases: what happens, and the anomaly that it is; what the rules find, and what they leave alone."""

import uuid
from dataclasses import dataclass

from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.rules import SPIKE_USES, SWEEP_KEYS, RuleName
from kms_schema.vocabulary import RecordedEvent, UseEvent
from tests.audit.anomalies import plans
from tests.audit.anomalies.life import SECOND


@dataclass
class Case:
    """Entries, and the anomaly that they are, by rule and by what it says; None where there must be none."""

    name: str
    plan: plans.Plan
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
            and (self.day is None or anomaly.day == plans.at(self.day).date())
        )


NEW, ENDED, SWEEP, SPIKE = list(RuleName)[:4]
OF_USE = (
    Case(
        "another service uses a key", lambda life, k: life.use(k["orders-0"], plans.at(90), "stranger"), NEW,
        "stranger", "orders-0", "used key orders-0 for the first time",
    ),
    Case("a service uses its own keys", plans.nothing, NEW, "orders", entries=0),
    Case(
        "a service uses a new key", lambda life, _k: life.use(life.key("born", plans.at(85)), plans.at(90), "newcomer"),
        NEW, "newcomer", entries=0,
    ),
    Case(
        "a job runs each quarter",
        lambda life, k: [life.use(k["orders-1"], plans.at(day), "quarter") for day in (5, 97)], NEW, "quarter",
        entries=0,
    ),
    Case(
        "a new member of staff", lambda life, k: plans.changed(life, k, "mallory", 90), NEW, "console for mallory",
        says="changed keys for the first time",
    ),
    Case("a member of staff", plans.nothing, NEW, "console for alice", entries=0),
    Case(
        "somebody who is on call each quarter", lambda life, k: plans.changed(life, k, "bob", 10, 100), NEW,
        "console for bob", entries=0,
    ),
    Case(
        "a process uses a key that was revoked",
        lambda life, k: life.use(plans.own_key(life, k, "gone-0", "revoked"), plans.at(80), "orders", process="new:1"),
        ENDED, key="gone-0", says="after its end",
    ),
    Case(
        "a process ends after the key was revoked",
        lambda life, k: life.use(
            plans.own_key(life, k, "gone-1", "revoked"), plans.at(80), "orders", process="orders-1:7", decryptions=9
        ),
        ENDED, key="gone-1", entries=0,
    ),
    Case(
        "a process goes on with a key that was revoked",
        lambda life, k: plans.used_twice(life, k, "gone-2", "revoked", "orders-1:7", decryptions=9), ENDED,
        key="gone-2", says="after its end",
    ),
    Case(
        "a ring has the key that was just revoked",
        lambda life, k: life.use(
            plans.own_key(life, k, "gone-3", "revoked"), plans.at(70, 9, 50), "orders", process="new:1"
        ),
        ENDED, key="gone-3", entries=0,
    ),
    Case(
        "a key encrypts after another took its place",
        lambda life, k: plans.used_twice(life, k, "old-0", "rotated", "orders-1:7", encryptions=5), ENDED, key="old-0",
        says="after its end",
    ),
    Case(
        "a key decrypts after another took its place",
        lambda life, k: plans.used_twice(life, k, "old-1", "rotated", "new:1", decryptions=5), ENDED, key="old-1",
        entries=0,
    ),
    Case(
        "an ended version encrypts",
        lambda life, k: plans.used_twice(life, k, "old-2", None, "orders-1:7", encryptions=5), ENDED, key="old-2",
        says="a version of it after its end",
    ),
    Case(
        "an ended version decrypts", lambda life, k: plans.used_twice(life, k, "old-3", None, "new:1", decryptions=5),
        ENDED, key="old-3", entries=0,
    ),
    Case("a key encrypts past its expiry", lambda life, k: plans.expired(life, k, "past", 75), ENDED, key="past"),
    Case(
        "a key encrypts before its expiry", lambda life, k: plans.expired(life, k, "fine", 90), ENDED, entries=0,
        key="fine",
    ),
    Case(
        "a revoked key is opened",
        lambda life, k: life.use(
            plans.own_key(life, k, "gone-4", "revoked"), plans.at(80), "rotator", event=UseEvent.REVOKED_KEY_OPENED
        ),
        ENDED, "rotator", "gone-4", "opened the revoked key",
    ),
    Case(
        "a login reads many keys", lambda life, k: plans.many(life, k, "reader", SWEEP_KEYS, 88), SWEEP, "reader",
        says=f"used {SWEEP_KEYS} keys in a day", entries=SWEEP_KEYS,
    ),
    Case(
        "a login reads fewer keys", lambda life, k: plans.many(life, k, "reader-2", SWEEP_KEYS - 1, 88), SWEEP,
        "reader-2", entries=0,
    ),
    Case("a job reads many keys each night", plans.nothing, SWEEP, "nightly", entries=0),
    Case("a service uses many keys each month", plans.nothing, SWEEP, "orders", entries=0),
    Case(
        "somebody changes many keys", lambda life, k: plans.changed(life, k, "alice", 91, count=SWEEP_KEYS), SWEEP,
        "console", says=f"changed {SWEEP_KEYS + 1} keys", entries=SWEEP_KEYS + 1,
    ),
    Case(
        "a login is refused many keys",
        lambda life, k: [
            life.use(k[f"wide-{n}"], plans.at(93), "prober", event=UseEvent.KEY_USE_REFUSED) for n in range(SWEEP_KEYS)
        ],
        SWEEP, "prober", says="used", entries=SWEEP_KEYS,
    ),
    Case(
        "a key is used far more",
        lambda life, k: plans.spiking(life, k, "hot", 400, range(plans.DAYS), peaks={92: SPIKE_USES}), SPIKE, key="hot",
        says="1400 uses in a day, and at most 400", entries=2,
    ),
    Case(
        "a key is used more", lambda life, k: plans.spiking(life, k, "warm", 400, range(plans.DAYS), peaks={92: 800}),
        SPIKE, key="warm", entries=0,
    ),
    Case(
        "a key of few uses is used more",
        lambda life, k: plans.spiking(life, k, "cold", 10, range(plans.DAYS), peaks={92: 900}), SPIKE, key="cold",
        entries=0,
    ),
    Case(
        "a key is used much at the end of the month",
        lambda life, k: plans.spiking(life, k, "monthly", 100, range(plans.DAYS), peaks={55: 5000, 88: 5000}), SPIKE,
        key="monthly", entries=0,
    ),
    Case(
        "a young key is used far more",
        lambda life, k: plans.spiking(life, k, "young", 10, range(80, plans.DAYS), peaks={95: 5000}), SPIKE,
        key="young", entries=0,
    ),
)  # fmt: skip


WINDOW, FORGED, JUMP = list(RuleName)[4:]
OF_CHANGES = (
    Case(
        "a rotation at noon", lambda life, k: plans.rotated(life, k, "noon", plans.at(75)), WINDOW, key="noon",
        says="started to rotate 3 keys outside the rotation window", entries=3,
    ),
    Case(
        "a rotation in the window", lambda life, k: plans.rotated(life, k, "night", plans.at(75, 2, 30)), WINDOW,
        key="night", entries=0,
    ),
    Case(
        "a rotation after the window, by the clock of its zone",
        lambda life, k: plans.rotated(life, k, "dawn", plans.at(75, 3, 30)), WINDOW, key="dawn", entries=3,
    ),
    Case(
        "a rotation that ends after its window",
        lambda life, k: plans.rotated(life, k, "late", plans.at(75, 2, 59) + 50 * SECOND), WINDOW, key="late",
        entries=0,
    ),
    Case(
        "a rotation without a policy, at a limit of use",
        lambda life, k: plans.rotated(life, k, "limit", plans.at(75), trigger="usage_count", with_policy=False), WINDOW,
        key="limit", entries=0,
    ),
    Case(
        "a rotation without a policy, on demand",
        lambda life, k: plans.rotated(life, k, "manual", plans.at(74), trigger="manual", with_policy=False), WINDOW,
        key="manual",
    ),
    Case(
        "a version without a rotation", lambda life, k: plans.replaced(life, k, "replaced", plans.at(73)), WINDOW,
        key="replaced",
    ),
    Case(
        "a version more than a day after the start of a rotation",
        lambda life, k: plans.rotated_and_later(life, k, "forgotten", taken_over=False), WINDOW, key="forgotten",
    ),
    Case(
        "a version within a day of another worker's start",
        lambda life, k: plans.rotated_and_later(life, k, "taken-over", taken_over=True), WINDOW, key="taken-over",
        entries=0,
    ),
    Case(
        "a new key at noon", lambda life, _k: life.key("fresh", plans.at(75), key_type="tls"), WINDOW, key="fresh",
        entries=0,
    ),
    Case(
        "a key without a policy", lambda life, k: life.version(k["orders-3"], plans.at(75), "rotator"), WINDOW,
        key="orders-3", entries=0,
    ),
    Case(
        "a window that is opened for a rotation",
        lambda life, k: plans.moved_window(life, k, "backup", plans.at(75, 11)), WINDOW, key="moved-backup", entries=3,
    ),
    Case(
        "a window that was changed days before", lambda life, k: plans.moved_window(life, k, "kek", plans.at(73, 11)),
        WINDOW, key="moved-kek", entries=0,
    ),
    Case(
        "a revocation that did not happen", plans.forged(RecordedEvent.KEY_REVOKED, "a"), FORGED, "owner for a",
        says="a status that the key cannot have had",
    ),
    Case(
        "a type that looks like one", plans.forged(RecordedEvent.KEY_CHANGED, "b", event_type="KEY_REV0KED"), FORGED,
        "owner for b", says="looks like one of the database",
    ),
    Case(
        "a level of its own", plans.forged(RecordedEvent.KEY_CHANGED, "c", security_level="LOW"), FORGED, "owner for c",
        says="another category or level",
    ),
    Case(
        "an address", plans.forged(RecordedEvent.KEY_CHANGED, "d", client_ip="::1"), FORGED, "owner for d",
        says="leaves empty",
    ),
    Case(
        "no document", plans.forged(RecordedEvent.KEY_CHANGED, "e", additional_metadata={"note": "x"}), FORGED,
        "owner for e", says="another form",
    ),
    Case(
        "a description of its own", plans.forged(RecordedEvent.KEY_CHANGED, "f", event_description="done"), FORGED,
        "owner for f", says="another description",
    ),
    Case(
        "the document of another key",
        plans.forged(RecordedEvent.KEY_CHANGED, "g", additional_metadata={"id": str(uuid.uuid4()), "changed": []}),
        FORGED, "owner for g", says="another key than its document",
    ),
    Case(
        "a version that never was", plans.forged(RecordedEvent.VERSION_REWRAPPED, "h", row=uuid.UUID(int=1)), FORGED,
        "owner for h", says="a version that the key does not have",
    ),
    Case(
        "a destruction that did not happen", plans.forged(RecordedEvent.VERSION_DESTROYED, "i"), FORGED, "owner for i",
        says="a version that is not destroyed",
    ),
    Case(
        "a use of a version that never was", plans.forged_use({"version": 99, "encryptions": 0, "decryptions": 1}, "j"),
        FORGED, "orders for j", says="a version that the key does not have",
    ),
    Case(
        "counters that jump", plans.jumped("l", 3), JUMP, "orders for l", key="orders-1",
        says="raised the counters of key orders-1 by more than a key ring does, 3 times: rotate the key", entries=3,
    ),
    Case("a use without counts", plans.forged_use({"version": 1}, "k"), FORGED, "orders for k", says="another form"),
    Case(
        "an entry of an application",
        lambda life, k: life.recorded(
            RecordedEvent.KEY_CHANGED,
            plans.at(80),
            "orders",
            k["orders-1"],
            user="l",
            event_type="ORDER_PLACED",
            client_ip="::1",
        ),
        FORGED, "orders for l", entries=0,
    ),
)  # fmt: skip
