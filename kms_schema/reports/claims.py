"""The claims of reports: each one is a sentence about the database that a query, or a computation, decides.

A claim is declared once, and controls of several standards name it. `CLAIMS` is data; `evaluate` decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kms_schema.reports.scope import ADMINISTRATION_EVENTS, EXPORT_EVENTS, Selection


@dataclass(frozen=True)
class Claim:
    """One claim.

    `violations` names the query of the rows against it: the claim holds without one. `figures` that of what
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
        figures="keys_by_algorithm",
    ),
    Claim(
        "cryptoperiod",
        "Each active key has a limit: an expiry, a maximum use, or an active policy for its type.",
        violations="without_cryptoperiod",
        figures="policies",
        population="active_keys",
    ),
    Claim(
        "not-expired",
        "No key is active after its expiry.",
        violations="expired_but_active",
        figures="keys_by_status",
        population="active_keys",
    ),
    Claim(
        "rotated-in-time",
        "No key is overdue for rotation under an active policy, or has reached its own limit.",
        violations="overdue",
        population="with_limit",
    ),
    Claim(
        "rotations-succeed",
        "No rotation of an active key has failed without a later success, new version or retry planned within a week.",
        violations="failed_rotations",
        figures="rotations",
        population="had_rotations",
        selection=_of("ROTATION_FAILED", "ROTATION_TAKEN_OVER"),
    ),
    Claim(
        "revocations",
        "Each revoked key has a reason, and no live version.",
        violations="revoked_without_reason",
        figures="revoked",
        population="revoked_keys",
        selection=_of("KEY_REVOKED"),
    ),
    Claim(
        "retired-not-used",
        "No program reported an encryption with a key more than two hours after the key was retired.",
        violations="used_after_retirement",
        figures="uses",
        population="retired_keys",
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "destructions",
        "Each version that was destroyed in the period has no handle, wraps nothing, and has its entry.",
        violations="destroyed_in_part",
        figures="destroyed",
        population="destroyed_versions",
        selection=_of("VERSION_DESTROYED", "VERSION_DELETED", "KEY_DELETED"),
        by_entries=True,
    ),
    Claim(
        "strength",
        "Each pending or active key has at least 112 bits of security.",
        figures="keys_in_use_by_algorithm",
        population="keys_in_use",
        computed=True,
    ),
    Claim(
        "wrapping",
        "Each version with material is wrapped by a key of at least its strength, by a root key, or is in an HSM.",
        figures="wrappers",
        population="versions",
        computed=True,
    ),
    Claim(
        "custody",
        "Each active key of security level MAXIMUM is in an HSM.",
        violations="maximum_outside_hsm",
        figures="custody",
        population="active_maximum",
    ),
    Claim(
        "hsm-health",
        "Each active HSM answered its last health check as HEALTHY.",
        violations="unhealthy_hsms",
        figures="hsms",
        population="active_hsms",
    ),
    Claim(
        "dual-control",
        "The registry names the HSMs that need a second person. It records no approvals.",
        figures="dual_control",
        population="active_hsms",
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
        figures="members",
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
        figures="seals",
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
        figures="operations",
    ),
    Claim(
        "recorded",
        "Each revocation and destruction in the period has its entry.",
        violations="not_recorded",
        figures="entries_by_event",
        population="ended",
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
        figures="retention_policies",
        computed=True,
    ),
    Claim(
        "retention-changes",
        "The log has each change of a retention policy, and each removal of entries.",
        figures="retention_policies",
        selection=_of(
            "RETENTION_POLICY_CREATED", "RETENTION_POLICY_CHANGED", "RETENTION_POLICY_DELETED", "TRAIL_CUT",
        ),
        by_entries=True,
    ),
    Claim(
        "who",
        "Each entry names the login that wrote it.",
        figures="entries_by_login",
        computed=True,
        of_period=True,
        by_entries=True,
    ),
    Claim(
        "addresses",
        "The log has the address of the client only where a program gave it.",
        figures="addresses",
        by_entries=True,
    ),
    Claim(
        "high-risk",
        "The log has the entries that need a review: level HIGH or CRITICAL, or a risk score of 70 or more.",
        figures="high_risk_by_event",
        selection=Selection(high_risk=True),
        by_entries=True,
    ),
    Claim(
        "administration",
        "The log has each change of privileges, policies and HSM configurations.",
        figures="administration",
        selection=_of(*ADMINISTRATION_EVENTS),
        by_entries=True,
    ),
    Claim(
        "exports",
        "The log has each opening of a revoked key, each handover, and each recorded report and inventory.",
        figures="exports",
        selection=_of(*EXPORT_EVENTS),
        by_entries=True,
    ),
)  # fmt: skip

CLAIMS: Mapping[str, Claim] = MappingProxyType({claim.name: claim for claim in _ALL})
"""All claims, by their names."""
