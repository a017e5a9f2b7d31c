"""What the rules about uses and actors find, and what they leave alone."""

from kms_schema.audit.anomalies.rules import SPIKE_USES, SWEEP_KEYS, RuleName
from kms_schema.vocabulary import UseEvent
from tests.audit.anomalies import plans
from tests.audit.anomalies.case import Case

NEW, ENDED, SWEEP, SPIKE = list(RuleName)[:4]
CASES = (
    Case(
        "another service uses a key",
        lambda life, k: life.use(k["orders-0"], plans.at(90), "stranger"),
        NEW,
        "stranger",
        "orders-0",
        "used key orders-0 for the first time",
    ),
    Case("a service uses its own keys", plans.nothing, NEW, "orders", entries=0),
    Case(
        "a service uses a new key",
        lambda life, _k: life.use(life.key("born", plans.at(85)), plans.at(90), "newcomer"),
        NEW,
        "newcomer",
        entries=0,
    ),
    Case(
        "a job runs each quarter",
        lambda life, k: [life.use(k["orders-1"], plans.at(day), "quarter") for day in (5, 97)],
        NEW,
        "quarter",
        entries=0,
    ),
    Case(
        "a new member of staff",
        lambda life, k: plans.changed(life, k, "mallory", 90),
        NEW,
        "console for mallory",
        says="changed keys for the first time",
    ),
    Case("a member of staff", plans.nothing, NEW, "console for alice", entries=0),
    Case(
        "somebody who is on call each quarter",
        lambda life, k: plans.changed(life, k, "bob", 10, 100),
        NEW,
        "console for bob",
        entries=0,
    ),
    Case(
        "a process uses a key that was revoked",
        lambda life, k: life.use(plans.own_key(life, k, "gone-0", "revoked"), plans.at(80), "orders", process="new:1"),
        ENDED,
        key="gone-0",
        says="after its end",
    ),
    Case(
        "a process ends after the key was revoked",
        lambda life, k: life.use(
            plans.own_key(life, k, "gone-1", "revoked"), plans.at(80), "orders", process="orders-1:7", decryptions=9
        ),
        ENDED,
        key="gone-1",
        entries=0,
    ),
    Case(
        "a process goes on with a key that was revoked",
        lambda life, k: plans.used_twice(life, k, "gone-2", "revoked", "orders-1:7", decryptions=9),
        ENDED,
        key="gone-2",
        says="after its end",
    ),
    Case(
        "a ring has the key that was just revoked",
        lambda life, k: life.use(
            plans.own_key(life, k, "gone-3", "revoked"), plans.at(70, 9, 50), "orders", process="new:1"
        ),
        ENDED,
        key="gone-3",
        entries=0,
    ),
    Case(
        "a key encrypts after another took its place",
        lambda life, k: plans.used_twice(life, k, "old-0", "rotated", "orders-1:7", encryptions=5),
        ENDED,
        key="old-0",
        says="after its end",
    ),
    Case(
        "a key decrypts after another took its place",
        lambda life, k: plans.used_twice(life, k, "old-1", "rotated", "new:1", decryptions=5),
        ENDED,
        key="old-1",
        entries=0,
    ),
    Case(
        "an ended version encrypts",
        lambda life, k: plans.used_twice(life, k, "old-2", None, "orders-1:7", encryptions=5),
        ENDED,
        key="old-2",
        says="a version of it after its end",
    ),
    Case(
        "an ended version decrypts",
        lambda life, k: plans.used_twice(life, k, "old-3", None, "new:1", decryptions=5),
        ENDED,
        key="old-3",
        entries=0,
    ),
    Case("a key encrypts past its expiry", lambda life, k: plans.expired(life, k, "past", 75), ENDED, key="past"),
    Case(
        "a key encrypts before its expiry",
        lambda life, k: plans.expired(life, k, "fine", 90),
        ENDED,
        entries=0,
        key="fine",
    ),
    Case(
        "a revoked key is opened",
        lambda life, k: life.use(
            plans.own_key(life, k, "gone-4", "revoked"), plans.at(80), "rotator", event=UseEvent.REVOKED_KEY_OPENED
        ),
        ENDED,
        "rotator",
        "gone-4",
        "opened the revoked key",
    ),
    Case(
        "a login reads many keys",
        lambda life, k: plans.many(life, k, "reader", SWEEP_KEYS, 88),
        SWEEP,
        "reader",
        says=f"used {SWEEP_KEYS} keys in a day",
        entries=SWEEP_KEYS,
    ),
    Case(
        "a login reads fewer keys",
        lambda life, k: plans.many(life, k, "reader-2", SWEEP_KEYS - 1, 88),
        SWEEP,
        "reader-2",
        entries=0,
    ),
    Case("a job reads many keys each night", plans.nothing, SWEEP, "nightly", entries=0),
    Case("a service uses many keys each month", plans.nothing, SWEEP, "orders", entries=0),
    Case(
        "somebody changes many keys",
        lambda life, k: plans.changed(life, k, "alice", 91, count=SWEEP_KEYS),
        SWEEP,
        "console",
        says=f"changed {SWEEP_KEYS + 1} keys",
        entries=SWEEP_KEYS + 1,
    ),
    Case(
        "a login is refused many keys",
        lambda life, k: [
            life.use(k[f"wide-{n}"], plans.at(93), "prober", event=UseEvent.KEY_USE_REFUSED) for n in range(SWEEP_KEYS)
        ],
        SWEEP,
        "prober",
        says="used",
        entries=SWEEP_KEYS,
    ),
    Case(
        "a key is used far more",
        lambda life, k: plans.spiking(life, k, "hot", 400, range(plans.DAYS), peaks={92: SPIKE_USES}),
        SPIKE,
        key="hot",
        says="1400 uses in a day, and at most 400",
        entries=2,
    ),
    Case(
        "a key is used more",
        lambda life, k: plans.spiking(life, k, "warm", 400, range(plans.DAYS), peaks={92: 800}),
        SPIKE,
        key="warm",
        entries=0,
    ),
    Case(
        "a key of few uses is used more",
        lambda life, k: plans.spiking(life, k, "cold", 10, range(plans.DAYS), peaks={92: 900}),
        SPIKE,
        key="cold",
        entries=0,
    ),
    Case(
        "a key is used much at the end of the month",
        lambda life, k: plans.spiking(life, k, "monthly", 100, range(plans.DAYS), peaks={55: 5000, 88: 5000}),
        SPIKE,
        key="monthly",
        entries=0,
    ),
    Case(
        "a young key is used far more",
        lambda life, k: plans.spiking(life, k, "young", 10, range(80, plans.DAYS), peaks={95: 5000}),
        SPIKE,
        key="young",
        entries=0,
    ),
)
