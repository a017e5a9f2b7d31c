"""The claims of reports: each one is a sentence about the database that a query, or a computation, decides.

A claim is declared once, and controls of several standards name it. `CLAIMS` is data; `evaluate` decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kms_schema.reports import queries, rotation_queries


@dataclass(frozen=True)
class Selection:
    """The entries of the period that a claim quotes: those of some types, or all that need a review."""

    events: frozenset[str] = frozenset()
    high_risk: bool = False

    @property
    def condition(self) -> str:
        """The condition of SQL that selects them."""
        if self.high_risk:
            return queries.HIGH_RISK
        listed = ", ".join(f"'{each}'" for each in sorted(self.events))
        return f"event_type IN ({listed})"

    def has(self, event_type: str, security_level: str, risk_score: int | None) -> bool:
        """Return whether an entry is selected."""
        if self.high_risk:
            return security_level in queries.HIGH_LEVELS or (risk_score or 0) >= queries.HIGH_SCORE
        return event_type in self.events


@dataclass(frozen=True)
class Claim:
    """One claim.

    `violations` is the query of the rows against it: the claim holds without one. `figures` is the query of what
    it counts. `population` counts the rows that it is about: without any it is not applicable. Without `violations`
    and `computed` nothing decides: the claim is for review.
    """

    name: str
    sentence: str
    violations: str | None = None
    figures: str | None = None
    population: str | None = None
    selection: Selection | None = None
    computed: bool = False
    """A function of `computed` decides, instead of a query."""
    of_period: bool = False
    """It is about all entries of the period: a log that begins later leaves it for review at most."""
    by_entries: bool = False
    """It is about entries of the period: where some were removed at the end of their own, it is for review at most."""
    on: str | None = None
    """The only engine that has it."""


def _of(*events: str) -> Selection:
    return Selection(frozenset(events))


_ALL = (
    Claim(
        "registry",
        "The registry lists each key with its type, algorithm, size and status.",
        figures=queries.KEYS_BY_ALGORITHM,
    ),
    Claim(
        "cryptoperiod",
        "Each active key has a limit: an expiry, a maximum use, or an active policy for its type.",
        violations=queries.WITHOUT_CRYPTOPERIOD,
        figures=queries.POLICIES,
        population=queries.ACTIVE_KEYS,
    ),
    Claim(
        "not-expired",
        "No key is active after its expiry.",
        violations=queries.EXPIRED_BUT_ACTIVE,
        figures=queries.KEYS_BY_STATUS,
        population=queries.ACTIVE_KEYS,
    ),
    Claim(
        "rotated-in-time",
        "No key is overdue for rotation under an active policy, or has reached its own limit.",
        violations=rotation_queries.OVERDUE,
        population=queries.WITH_LIMIT,
    ),
    Claim(
        "rotations-succeed",
        "No rotation of an active key has failed without a later success, new version or retry planned within a week.",
        violations=rotation_queries.FAILED_ROTATIONS,
        figures=rotation_queries.ROTATIONS,
        population=rotation_queries.HAD_ROTATIONS,
        selection=_of("ROTATION_FAILED", "ROTATION_TAKEN_OVER"),
    ),
    Claim(
        "revocations",
        "Each revoked key has a reason, and no live version.",
        violations=queries.REVOKED_WITHOUT_REASON,
        figures=queries.REVOKED,
        population=queries.REVOKED_KEYS,
        selection=_of("KEY_REVOKED"),
    ),
    Claim(
        "retired-not-used",
        "No program reported an encryption with a key more than two hours after the key was retired.",
        violations=queries.USED_AFTER_RETIREMENT,
        figures=queries.USES,
        population=queries.RETIRED_KEYS,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "destructions",
        "Each version that was destroyed in the period has no handle, wraps nothing, and has its entry.",
        violations=queries.DESTROYED_IN_PART,
        figures=queries.DESTROYED,
        population=queries.DESTROYED_VERSIONS,
        selection=_of("VERSION_DESTROYED", "VERSION_DELETED", "KEY_DELETED"),
        by_entries=True,
    ),
    Claim(
        "strength",
        "Each pending or active key has at least 112 bits of security.",
        figures=queries.KEYS_IN_USE_BY_ALGORITHM,
        population=queries.KEYS_IN_USE,
        computed=True,
    ),
    Claim(
        "wrapping",
        "Each version with material is wrapped by a key of at least its strength, by a root key, or is in an HSM.",
        figures=queries.WRAPPERS,
        population=queries.VERSIONS,
        computed=True,
    ),
    Claim(
        "custody",
        "Each active key of security level MAXIMUM is in an HSM.",
        violations=queries.MAXIMUM_OUTSIDE_HSM,
        figures=queries.CUSTODY,
        population=queries.ACTIVE_MAXIMUM,
    ),
    Claim(
        "hsm-health",
        "Each active HSM answered its last health check as HEALTHY.",
        violations=queries.UNHEALTHY_HSMS,
        figures=queries.HSMS,
        population=queries.ACTIVE_HSMS,
    ),
    Claim(
        "dual-control",
        "The registry names the HSMs that need a second person. It records no approvals.",
        figures=queries.DUAL_CONTROL,
        population=queries.ACTIVE_HSMS,
    ),
    Claim("no-drift", "The catalog is the expected one: no constraint, trigger or grant differs.", computed=True),
    Claim(
        "privileges",
        "No role and no setting can bypass the protections, as far as the catalog shows.",
        computed=True,
        on="postgresql",
    ),
    Claim(
        "members",
        "The catalog lists the roles with privileges on tables and on columns, and their members.",
        figures=queries.MEMBERS,
        on="postgresql",
    ),
    Claim(
        "entries-unchanged",
        "Each sealed entry of the period is there, and has the hash that was sealed.",
        computed=True,
        of_period=True,
    ),
    Claim(
        "sealed",
        "A signed seal covers each entry of the period that is more than a day old.",
        figures=queries.SEALS,
        computed=True,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "sealed-monthly",
        "Each month with entries that is over has a signed seal of its own.",
        computed=True,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "operations",
        "Programs recorded publications of checkpoints, cosignatures of witnesses, and validations.",
        figures=queries.OPERATIONS,
    ),
    Claim(
        "recorded",
        "Each revocation and destruction in the period has its entry.",
        violations=queries.NOT_RECORDED,
        figures=queries.ENTRIES_BY_EVENT,
        population=queries.ENDED,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "kept-a-year",
        "Each entry of the period is to be kept for 365 days or more.",
        computed=True,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "kept-seven-years",
        "Each entry of the period is to be kept for 2,555 days or more.",
        computed=True,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "retention-ends",
        "No entry is left whose retention period ended more than 31 days ago.",
        figures=queries.RETENTION_POLICIES,
        computed=True,
    ),
    Claim(
        "retention-changes",
        "The log has each change of a retention policy, and each removal of entries.",
        figures=queries.RETENTION_POLICIES,
        selection=_of(
            "RETENTION_POLICY_CREATED", "RETENTION_POLICY_CHANGED", "RETENTION_POLICY_DELETED", "TRAIL_CUT",
        ),
        by_entries=True,
    ),
    Claim(
        "who",
        "Each entry names the login that wrote it.",
        figures=queries.ENTRIES_BY_LOGIN,
        computed=True,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "addresses",
        "The log has the address of the client only where a program gave it.",
        figures=queries.ADDRESSES,
        by_entries=True,
    ),
    Claim(
        "high-risk",
        "The log has the entries that need a review: level HIGH or CRITICAL, or a risk score of 70 or more.",
        figures=queries.HIGH_RISK_BY_EVENT,
        selection=Selection(high_risk=True),
        by_entries=True,
    ),
    Claim(
        "administration",
        "The log has each change of privileges, policies and HSM configurations.",
        figures=queries.ADMINISTRATION,
        selection=_of(*queries.ADMINISTRATION_EVENTS),
        by_entries=True,
    ),
    Claim(
        "exports",
        "The log has each opening of a revoked key, each handover, and each recorded report and inventory.",
        figures=queries.EXPORTS,
        selection=_of(*queries.EXPORT_EVENTS),
        by_entries=True,
    ),
)  # fmt: skip

CLAIMS: Mapping[str, Claim] = MappingProxyType({claim.name: claim for claim in _ALL})
"""All claims, by their names."""
