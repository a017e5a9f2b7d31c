"""The entries of a period that claims are about, by their types or by their risk."""

from collections.abc import Iterable
from dataclasses import dataclass

HIGH_LEVELS = ("HIGH", "CRITICAL")
HIGH_SCORE = 70
HIGH_RISK = "(risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL'))"
"""The condition of `idx_key_audit_high_risk_partial`."""

EXPORT_EVENTS = (
    "REVOKED_KEY_OPENED", "KEY_HANDOVER_STARTED", "KEY_HANDED_OVER", "KEY_TAKEN_OVER", "DOCUMENT_WRITTEN",
)  # fmt: skip
USE_EVENTS = ("KEY_USED", "KEY_USE_REFUSED")
ADMINISTRATION_EVENTS = (
    "RIGHTS_CHANGED", "POLICY_CREATED", "POLICY_CHANGED", "POLICY_DELETED",
    "HSM_CONFIGURATION_CREATED", "HSM_CONFIGURATION_CHANGED", "HSM_CONFIGURATION_DELETED",
)  # fmt: skip


def listed(events: Iterable[str]) -> str:
    """Return types of entries as literals of SQL."""
    return ", ".join(f"'{each}'" for each in sorted(events))


@dataclass(frozen=True)
class Selection:
    """The entries of the period that a claim quotes: those of some types, or all that need a review."""

    events: frozenset[str] = frozenset()
    high_risk: bool = False

    @property
    def condition(self) -> str:
        """The condition of SQL that selects them."""
        if self.high_risk:
            return HIGH_RISK
        return f"event_type IN ({listed(self.events)})"

    def has(self, event_type: str, security_level: str, risk_score: int | None) -> bool:
        """Return whether an entry is selected."""
        if self.high_risk:
            return security_level in HIGH_LEVELS or (risk_score or 0) >= HIGH_SCORE
        return event_type in self.events
