"""One anomaly, with the entries that prove it."""

import datetime as dt
import hashlib
import uuid
from dataclasses import dataclass

from kms_schema.audit.anomalies.rules import RULES, RuleName
from kms_schema.vocabulary import AuditSecurityLevel


@dataclass(frozen=True)
class Evidence:
    """An entry of the audit log that is part of an anomaly."""

    id: uuid.UUID
    sequence: int
    at: dt.datetime
    event_type: str
    key_id: str | None
    """The name of its key; None if it has none."""


@dataclass(frozen=True)
class Anomaly:
    """The entries that one rule found about one actor or key in one UTC day."""

    rule: RuleName
    day: dt.date
    actor: str | None
    """The login, with `for USER` if the entries claim one; None if the rule is about a key."""
    key_id: str | None
    """The name of the key; None if it is about several."""
    about: str
    """A key, a kind of entries or a problem that distinguishes it from others of the rule, day and actor; or empty."""
    summary: str
    """The finding in one sentence, with figures."""
    first_at: dt.datetime
    last_at: dt.datetime
    entry_count: int
    entries: tuple[Evidence, ...]
    """The first of these entries, at most `rules.MOST_ENTRIES`."""

    @property
    def severity(self) -> AuditSecurityLevel:
        """The severity of its rule."""
        return RULES[self.rule].severity

    @property
    def fingerprint(self) -> str:
        """A name that stays the same while the day goes on: 16 hexadecimal digits of rule, day, actor and `about`."""
        named = (self.rule, self.day.isoformat(), self.actor or "", self.about)
        return hashlib.sha256("\0".join(named).encode()).hexdigest()[:16]
