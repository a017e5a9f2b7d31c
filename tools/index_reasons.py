"""Why each index is there: the queries that it answers, the foreign keys that it serves, the rule that it holds.

The indexes of primary keys and UNIQUE constraints have theirs in the constraint. Every other one costs each write
something, so it is named here, or goes; tests hold the names against the catalog, and the queries against their plans.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """What would be slow, or would not hold, without an index."""

    queries: tuple[str, ...] = ()
    """As `tests/schema/workload/queries.py` calls them."""
    foreign_keys: tuple[str, ...] = ()
    """By the constraint; PostgreSQL and SQLite look for what refers to a row that goes."""
    rule: str = ""

    def __str__(self) -> str:
        """Return it as the documentation has it."""
        keys = [f"`{name}`" for name in self.foreign_keys]
        return "; ".join((*([self.rule] if self.rule else []), *self.queries, *keys))


_DUE = "`rotations_due` costs what is due, and not what there is"
"""Held by `tests/rotations/test_cost.py`."""

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
