"""The reason of each index: its queries, its foreign keys, or the rule that it enforces.

Indexes of primary keys and UNIQUE constraints need no reason. Every other index has a cost for each write, so it is
listed here, or it is dropped. Tests compare the names with the catalog, and the queries with their plans.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """The queries, foreign keys and rule of an index."""

    queries: tuple[str, ...] = ()
    """Names of queries in `support/workload/queries.py`."""
    foreign_keys: tuple[str, ...] = ()
    """Names of constraints; both engines look for references to a deleted row."""
    rule: str = ""

    def __str__(self) -> str:
        """Return the text for the documentation."""
        keys = [f"`{name}`" for name in self.foreign_keys]
        return "; ".join((*([self.rule] if self.rule else []), *self.queries, *keys))


_DUE = "the cost of `rotations_due` is proportional to the keys that are due"
"""`tests/rotations/test_cost.py` checks it."""

INDEX_REASONS: dict[str, Reason] = {
    "idx_key_masters_parent_key_id": Reason(foreign_keys=("fk_key_masters_parent_key_id_key_masters",)),
    "idx_key_masters_rotation_partial": Reason(rule=_DUE),
    "idx_key_versions_age_partial": Reason(rule=_DUE),
    "idx_key_versions_usage_partial": Reason(rule=_DUE),
    "idx_key_versions_volume_partial": Reason(rule=_DUE),
    "idx_key_rotations_retry_partial": Reason(rule=_DUE),
    "idx_key_masters_newest": Reason(("keys of a type and status, newest first, a page",)),
    "idx_key_masters_dashboard_covering": Reason(("keys of a status, counted by type",)),
    "idx_key_masters_expiring_partial": Reason(("keys about to expire",)),
    "idx_key_masters_hsm_partial": Reason(("keys that an HSM holds",)),
    "uq_key_versions_live": Reason(("fetch a key and its live version",), rule="one live version a key"),
    "idx_key_versions_lifecycle": Reason(("the versions of a key, newest first",)),
    "idx_key_versions_wrapped_by_version_id": Reason(
        ("whether a version wraps any, before it is destroyed",),
        ("fk_key_versions_wrapped_by_version_id_key_versions",),
    ),
    "idx_key_versions_wrapping_key_ref": Reason(("what a root key wraps",)),
    "uq_key_rotations_open": Reason(("the open rotation of a key",), rule="one open rotation a key"),
    "idx_key_rotations_history": Reason(
        ("rotations of a key, newest first, a page",), ("fk_key_rotations_key_id_key_masters",)
    ),
    "idx_key_rotations_key_id_old_version": Reason(foreign_keys=("fk_key_rotations_key_id_old_version_key_versions",)),
    "idx_key_rotations_key_id_new_version": Reason(foreign_keys=("fk_key_rotations_key_id_new_version_key_versions",)),
    "idx_key_rotations_policy_id": Reason(foreign_keys=("fk_key_rotations_policy_id_rotation_policies",)),
    "idx_key_rotations_scheduling_covering": Reason(("the next rotation to claim", "what is scheduled")),
    "idx_key_rotations_failed_partial": Reason(("rotations that failed lately", "keys whose rotations failed lately")),
    "idx_key_audit_logs_history": Reason(
        ("entries of a key, newest first, a page", "entries of a key and type, newest first, a page"),
        ("fk_key_audit_logs_key_id_key_masters",),
    ),
    "idx_key_audit_logs_timestamp": Reason(("a report on a week", "entries of a week and a type")),
    "idx_key_audit_high_risk_partial": Reason(
        ("events of high risk, newest first", "events of a day that the health of keys counts")
    ),
    "uq_key_management_dashboard": Reason(rule="`REFRESH MATERIALIZED VIEW CONCURRENTLY` needs one (PostgreSQL)"),
    "idx_key_health_monitor_score": Reason(("the keys in the worst health",)),
    "uq_key_health_monitor": Reason(
        ("a page of the health of keys",), rule="`REFRESH MATERIALIZED VIEW CONCURRENTLY` needs one (PostgreSQL)"
    ),
}
