"""What the rules about rotations and recorded changes find, and what they leave alone."""

import uuid

from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.vocabulary import RecordedEvent
from tests.audit.anomalies import plans
from tests.audit.anomalies.case import Case
from tests.audit.anomalies.life import SECOND

WINDOW, FORGED, JUMP = list(RuleName)[4:]
CASES = (
    Case(
        "a rotation at noon",
        lambda life, k: plans.rotated(life, k, "noon", plans.at(75)),
        WINDOW,
        key="noon",
        says="started to rotate 3 keys outside the rotation window",
        entries=3,
    ),
    Case(
        "a rotation in the window",
        lambda life, k: plans.rotated(life, k, "night", plans.at(75, 2, 30)),
        WINDOW,
        key="night",
        entries=0,
    ),
    Case(
        "a rotation after the window, by the clock of its zone",
        lambda life, k: plans.rotated(life, k, "dawn", plans.at(75, 3, 30)),
        WINDOW,
        key="dawn",
        entries=3,
    ),
    Case(
        "a rotation that ends after its window",
        lambda life, k: plans.rotated(life, k, "late", plans.at(75, 2, 59) + 50 * SECOND),
        WINDOW,
        key="late",
        entries=0,
    ),
    Case(
        "a rotation without a policy, at a limit of use",
        lambda life, k: plans.rotated(life, k, "limit", plans.at(75), trigger="usage_count", with_policy=False),
        WINDOW,
        key="limit",
        entries=0,
    ),
    Case(
        "a rotation without a policy, on demand",
        lambda life, k: plans.rotated(life, k, "manual", plans.at(74), trigger="manual", with_policy=False),
        WINDOW,
        key="manual",
    ),
    Case(
        "a version without a rotation",
        lambda life, k: plans.replaced(life, k, "replaced", plans.at(73)),
        WINDOW,
        key="replaced",
    ),
    Case(
        "a version more than a day after the start of a rotation",
        lambda life, k: plans.rotated_and_later(life, k, "forgotten", taken_over=False),
        WINDOW,
        key="forgotten",
    ),
    Case(
        "a version within a day of another worker's start",
        lambda life, k: plans.rotated_and_later(life, k, "taken-over", taken_over=True),
        WINDOW,
        key="taken-over",
        entries=0,
    ),
    Case(
        "a new key at noon",
        lambda life, _k: life.key("fresh", plans.at(75), key_type="tls"),
        WINDOW,
        key="fresh",
        entries=0,
    ),
    Case(
        "a key without a policy",
        lambda life, k: life.version(k["orders-3"], plans.at(75), "rotator"),
        WINDOW,
        key="orders-3",
        entries=0,
    ),
    Case(
        "a window that is opened for a rotation",
        lambda life, k: plans.moved_window(life, k, "backup", plans.at(75, 11)),
        WINDOW,
        key="moved-backup",
        entries=3,
    ),
    Case(
        "a window that was changed days before",
        lambda life, k: plans.moved_window(life, k, "kek", plans.at(73, 11)),
        WINDOW,
        key="moved-kek",
        entries=0,
    ),
    Case(
        "a revocation that did not happen",
        plans.forged(RecordedEvent.KEY_REVOKED, "a"),
        FORGED,
        "owner for a",
        says="a status that the key cannot have had",
    ),
    Case(
        "a type that looks like one",
        plans.forged(RecordedEvent.KEY_CHANGED, "b", event_type="KEY_REV0KED"),
        FORGED,
        "owner for b",
        says="looks like one of the database",
    ),
    Case(
        "a level of its own",
        plans.forged(RecordedEvent.KEY_CHANGED, "c", security_level="LOW"),
        FORGED,
        "owner for c",
        says="another category or level",
    ),
    Case(
        "an address",
        plans.forged(RecordedEvent.KEY_CHANGED, "d", client_ip="::1"),
        FORGED,
        "owner for d",
        says="leaves empty",
    ),
    Case(
        "no document",
        plans.forged(RecordedEvent.KEY_CHANGED, "e", additional_metadata={"note": "x"}),
        FORGED,
        "owner for e",
        says="another form",
    ),
    Case(
        "a description of its own",
        plans.forged(RecordedEvent.KEY_CHANGED, "f", event_description="done"),
        FORGED,
        "owner for f",
        says="another description",
    ),
    Case(
        "the document of another key",
        plans.forged(RecordedEvent.KEY_CHANGED, "g", additional_metadata={"id": str(uuid.uuid4()), "changed": []}),
        FORGED,
        "owner for g",
        says="another key than its document",
    ),
    Case(
        "a version that never was",
        plans.forged(RecordedEvent.VERSION_REWRAPPED, "h", row=uuid.UUID(int=1)),
        FORGED,
        "owner for h",
        says="a version that the key does not have",
    ),
    Case(
        "a destruction that did not happen",
        plans.forged(RecordedEvent.VERSION_DESTROYED, "i"),
        FORGED,
        "owner for i",
        says="a version that is not destroyed",
    ),
    Case(
        "a use of a version that never was",
        plans.forged_use({"version": 99, "encryptions": 0, "decryptions": 1}, "j"),
        FORGED,
        "orders for j",
        says="a version that the key does not have",
    ),
    Case(
        "counters that jump",
        plans.jumped("l", 3),
        JUMP,
        "orders for l",
        key="orders-1",
        says="raised the counters of key orders-1 by more than a key ring does, 3 times: rotate the key",
        entries=3,
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
        FORGED,
        "orders for l",
        entries=0,
    ),
)
