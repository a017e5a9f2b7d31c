"""The columns that the triggers of a table record, only name, or bound.

`tools/derived_sql.py` writes the lists of the triggers from this and the models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OF_THE_ROW = frozenset({"id", "created_at", "updated_at"})


@dataclass(frozen=True)
class Table:
    """A table whose changes are recorded."""

    singular: str
    """The table in the names of its triggers."""
    named: frozenset[str]
    """Secrets and free texts: named where they change, and never quoted, since an entry cannot be taken back."""
    bounds: Mapping[str, int] = field(default_factory=dict)
    """Columns of free length, each with its most bytes."""
    books: frozenset[str] = frozenset()
    """Use, measurements, health and leases: counted or observed, and no change of state; index bounds follow from use.

    Another health and a counter that jumps have events of their own, `HSM_HEALTH_CHANGED` and `VERSION_COUNT_JUMPED`. A
    rotation's policy goes with it, and the policy's deletion is recorded.
    """
    belongs_to: frozenset[str] = frozenset()
    """Never changes, and is in every entry's document."""

    @property
    def unrecorded(self) -> frozenset[str]:
        """The columns that no entry is about."""
        return self.books | OF_THE_ROW | self.belongs_to


RECORDED = {
    "key_masters": Table(
        "key_master",
        frozenset({"hsm_metadata"}),
        {"status_reason": 4096, "compliance_tags": 4096, "hsm_metadata": 65536, "encrypted_columns": 8192},
        frozenset({"usage_count"}),
    ),
    "key_versions": Table(
        "key_version",
        frozenset({"encrypted_key_data", "key_checksum", "encryption_metadata"}),
        {"encryption_metadata": 65536},
        frozenset({
            "usage_count", "data_volume_bytes", "generation_time_ms", "entropy_score", "key_type", "usage_index_bound",
            "volume_index_bound",
        }),
        frozenset({"key_id"}),
    ),
    "rotation_policies": Table(
        "rotation_policy", frozenset({"notification_channels"}), {"notification_channels": 65536}
    ),
    "key_rotations": Table(
        "key_rotation",
        frozenset({"trigger_details", "error_message", "pre_rotation_checksum", "post_rotation_checksum"}),
        {"trigger_details": 65536, "error_message": 1048576},
        frozenset({"policy_id", "next_retry_at", "lease_expires_at", "execution_time_ms", "affected_records"}),
        frozenset({"key_id"}),
    ),
    "hsm_configurations": Table(
        "hsm_configuration",
        frozenset({"endpoint_url", "authentication_config"}),
        {"supported_algorithms": 4096, "endpoint_url": 1020},
        frozenset({"last_health_check", "health_status", "response_time_ms"}),
    ),
}  # fmt: skip

CHANGES_WITH_ITS_STATUS = frozenset({"retry_count"})
"""Recorded, and looked at by no condition: it changes with the status alone."""
ITS_PARTS_ARE_TEXTS = {
    "encrypted_columns": "Its parts are texts: validate_key_master_encrypted_columns refuses levels and numbers.",
}
"""Documents without levels and numbers, and why."""
