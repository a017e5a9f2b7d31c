"""The rules of anomalies and their thresholds, each declared once. Data only: nothing here reads a database.

A new rule is an entry here, its query in `queries`, and a test with entries that it finds and entries that it does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from kms_schema.vocabulary import AuditSecurityLevel


class RuleName(StrEnum):
    """The names of the rules, as in `--rule` and in the labels of metrics."""

    NEW_ACTOR = "new-actor"
    ENDED_KEY_USED = "ended-key-used"
    KEY_SWEEP = "key-sweep"
    USE_SPIKE = "use-spike"
    OUTSIDE_WINDOW = "outside-window"
    FORGED_ENTRY = "forged-entry"
    COUNT_JUMP = "count-jump"


@dataclass(frozen=True)
class AnomalyRule:
    """A rule that finds anomalies, with its name and its limits."""

    name: RuleName
    severity: AuditSecurityLevel
    """How urgent a finding is."""
    finds: str
    """The entries that it finds, in one sentence."""
    reads: str
    """The entries and columns that it reads."""
    false_alarms: str
    """Ordinary events that it finds, too."""


KNOWN_DAYS = 100
"""Days after which an actor is new again. A quarterly job runs at most 92 days apart, and a week late at times."""
ESTABLISHED_DAYS = 28
"""Days of use after which a key has usual actors and a usual amount of use, and days of entries after which a log shows
what is usual for a login. Before, all of it is new."""
LOOKED_BACK = (2, 8, 35, KNOWN_DAYS)
"""Days that are looked back in turn, until one shows that a day is usual: the day before mostly does, and costs the
least to read, else one of the week before. Four weeks would miss the end of the month before, which is up to 31 days
ago, or 34 with a weekend. The end of a quarter repeats, too, and so does a key of old data that is read now and
then."""
SWEEP_KEYS = 20
"""Fewer keys of one actor in a day are no sweep."""
SWEEP_FACTOR = 2
"""A sweep is more than so many times the keys of the actor's fullest day before."""
SPIKE_USES = 1000
"""Fewer uses of a key in a day are no spike. Small counts vary a lot: a test of ten uses is ten times one use."""
SPIKE_FACTOR = 3
"""A spike is more than so many times the uses of the key's fullest day before. Uses may double within a month."""
LATE_ENTRY_HOURS = 1
"""Hours after the end of a key in which rings may still use it: the longest `max_age` of a ring."""
EXPLAINED_HOURS = 24
"""Hours after the start of a rotation in which its version becomes live: longer than a KEK takes to rewrap."""
WINDOW_KNOWN_DAYS = 1
"""Days for which a change of a policy's window must be known before the new window counts."""
MOST_ENTRIES = 20
"""The entries that are listed with one anomaly; it has the count of all."""
MOST_ANOMALIES = 1000
"""The anomalies that are returned for one rule."""
MOST_KEPT = 100_000
"""The entries, and the actors, that a rule keeps in memory to compare them. A period with more is an error."""


ENTRIES: tuple[AnomalyRule, ...] = (
    AnomalyRule(
        RuleName.NEW_ACTOR,
        AuditSecurityLevel.MEDIUM,
        f"An actor uses a key that others have used for {ESTABLISHED_DAYS} days, or changes keys, for the first time in"
        f" {KNOWN_DAYS} days.",
        "`KEY_USED` and recorded changes with a key; `recorded_by` and `user_id`",
        "A new service, a new member of staff, a renamed login, a job that runs once a year.",
    ),
    AnomalyRule(
        RuleName.ENDED_KEY_USED,
        AuditSecurityLevel.HIGH,
        "A key decrypts after it was revoked or archived, or encrypts after it was rotated or expired. An ended version"
        " encrypts. A revoked key is opened.",
        "`KEY_USED` and `REVOKED_KEY_OPENED`; the times of the key and of its version",
        "`REVOKED_KEY_OPENED` for planned re-encryption; a ring with `stale_decrypt` during an outage.",
    ),
    AnomalyRule(
        RuleName.KEY_SWEEP,
        AuditSecurityLevel.HIGH,
        f"A login uses or changes at least {SWEEP_KEYS} keys in a UTC day. They are more than {SWEEP_FACTOR} times as"
        f" many as on any of the {KNOWN_DAYS} days before. The log begins at least {ESTABLISHED_DAYS} days earlier.",
        "entries of use (`KEY_USED` and the like), of handovers, and recorded changes with a key; `recorded_by`",
        "The first run of a batch job, an import of active keys, the rotation of a KEK that wraps many keys.",
    ),
    AnomalyRule(
        RuleName.USE_SPIKE,
        AuditSecurityLevel.MEDIUM,
        f"A key has at least {SPIKE_USES} uses in a UTC day. They are more than {SPIKE_FACTOR} times as many as on any"
        f" of the {KNOWN_DAYS} days before. It was used at least {ESTABLISHED_DAYS} days before, too.",
        "the counts of `KEY_USED`",
        "A campaign, a load test, a restored backlog, the end of a year, re-encryption of a table.",
    ),
    AnomalyRule(
        RuleName.OUTSIDE_WINDOW,
        AuditSecurityLevel.MEDIUM,
        "A rotation starts, or a version of a used key becomes live, outside the rotation window of its policy.",
        "`ROTATION_STARTED`, `VERSION_ACTIVATED` and changes of policies; the policy of the rotation",
        "A rotation after an incident, `--any-time`, a window that was changed less than"
        f" {24 * WINDOW_KNOWN_DAYS} hours before.",
    ),
    AnomalyRule(
        RuleName.FORGED_ENTRY,
        AuditSecurityLevel.HIGH,
        "An entry has the type of a recorded change, or one that looks like it, without its form. Or the rows of its"
        " key contradict it.",
        "types of recorded changes and `KEY_USED`; the rows that they are about",
        "An application that writes `KEY_USED` in a form of its own; a partly restored dump.",
    ),
    AnomalyRule(
        RuleName.COUNT_JUMP,
        AuditSecurityLevel.HIGH,
        "A statement adds more than 65,536 uses or 64 GiB to a version: more than a key ring reserves at once.",
        "`VERSION_COUNT_JUMPED`",
        "An application that counts its uses itself, in larger steps.",
    ),
)  # fmt: skip

RULES: Mapping[RuleName, AnomalyRule] = MappingProxyType({rule.name: rule for rule in ENTRIES})
"""Every rule by its name, in the order in which anomalies are listed."""
