"""A case: what happens, and the anomaly that it is."""

from dataclasses import dataclass

from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.rules import RuleName
from tests.audit.anomalies import plans


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
