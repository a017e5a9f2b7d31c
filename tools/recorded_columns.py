"""The columns that the triggers of a table record, only name, bound, or protect.

`tools/derived_sql.py` writes the lists of the triggers from this and the models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

OF_THE_ROW = frozenset({"id", "created_at", "updated_at"})


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose changes are recorded."""

    singular: str = field(kw_only=False)
    """The table in the names of its triggers."""
    identity: tuple[str, ...]
    """Never change."""
    subject: str
    """The subject of the entries, in the names of their events."""
    category: str
    """The category of the entries."""
    called: str
    """The name of a row of SQLite's in its entries; `{0}` is NEW or OLD."""
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
    own_events: frozenset[str] = frozenset({"insert", "update"})
    """The changes with events of their own on SQLite, which stand in the file; the others have one event each."""
    many_at_once: bool = False
    """Imported in large numbers: a trigger of PostgreSQL's records all rows of an INSERT."""
    level_of_change: str = "MEDIUM"
    """The security level of an entry about a change that has no event of its own."""

    @property
    def levels(self) -> dict[str, str]:
        """The security levels of entries about changes without events of their own."""
        return {"insert": "LOW", "update": self.level_of_change, "delete": "HIGH"}

    @property
    def unrecorded(self) -> frozenset[str]:
        """The columns that no entry is about."""
        return self.books | OF_THE_ROW | self.belongs_to


_NAME_OF_KEY = "coalesce((SELECT key_id FROM key_masters WHERE id = {0}.key_id), {0}.key_id)"

RECORDED = {
    "key_masters": Table(
        "key_master",
        subject="KEY",
        category="LIFECYCLE",
        called="{0}.key_id",
        identity=("id", "key_id", "key_type", "algorithm", "key_size_bits", "created_at"),
        named=frozenset({"hsm_metadata"}),
        bounds={"status_reason": 4096, "compliance_tags": 4096, "hsm_metadata": 65536, "encrypted_columns": 8192},
        books=frozenset({"usage_count"}),
        many_at_once=True,
    ),
    "key_versions": Table(
        "key_version",
        subject="VERSION",
        category="LIFECYCLE",
        called=_NAME_OF_KEY + " || ' version ' || {0}.version_number",
        identity=("id", "key_id", "version_number", "created_at", "ciphertext_tag"),
        named=frozenset({"encrypted_key_data", "key_checksum", "encryption_metadata"}),
        bounds={"encryption_metadata": 65536},
        books=frozenset({
            "usage_count", "data_volume_bytes", "generation_time_ms", "entropy_score", "key_type", "usage_index_bound",
            "volume_index_bound",
        }),
        belongs_to=frozenset({"key_id"}),
        many_at_once=True,
    ),
    "rotation_policies": Table(
        "rotation_policy",
        subject="POLICY",
        category="POLICY",
        called="{0}.policy_name",
        identity=("id", "created_at"),
        named=frozenset({"notification_channels"}),
        bounds={"notification_channels": 65536},
        own_events=frozenset(),
    ),
    "key_rotations": Table(
        "key_rotation",
        subject="ROTATION",
        category="LIFECYCLE",
        called=_NAME_OF_KEY,
        identity=("id", "key_id"),
        named=frozenset({"trigger_details", "error_message", "pre_rotation_checksum", "post_rotation_checksum"}),
        bounds={"trigger_details": 65536, "error_message": 1048576},
        books=frozenset({"policy_id", "next_retry_at", "lease_expires_at", "execution_time_ms", "affected_records"}),
        belongs_to=frozenset({"key_id"}),
    ),
    "hsm_configurations": Table(
        "hsm_configuration",
        subject="HSM_CONFIGURATION",
        category="SECURITY",
        called="{0}.configuration_name",
        identity=("id", "created_at"),
        named=frozenset({"endpoint_url", "authentication_config"}),
        bounds={"supported_algorithms": 4096, "endpoint_url": 1020},
        books=frozenset({"last_health_check", "health_status", "response_time_ms"}),
        own_events=frozenset(),
        level_of_change="HIGH",
    ),
}  # fmt: skip

CHANGES_WITH_ITS_STATUS = frozenset({"retry_count"})
"""Recorded, and looked at by no condition: it changes with the status alone."""
ITS_PARTS_ARE_TEXTS = {
    "encrypted_columns": "Its parts are texts: validate_key_master_encrypted_columns refuses levels and numbers.",
}
"""Documents without levels and numbers, and why."""

DRAWN_ONCE = {"ciphertext_tag": ("A tag of 0 is one that is not drawn yet.", "OLD.ciphertext_tag <> 0")}
"""Columns of an identity that get their value after the INSERT: the reason, and the condition that they have it."""
WRITTEN_ONCE = {
    "key_audit_leaves": ("key_audit_leaf", "Evidence is"),
    "key_audit_seals": ("key_audit_seal", "Evidence is"),
    "key_audit_subtrees": ("key_audit_subtree", "Evidence is"),
    "key_audit_tombstones": ("key_audit_tombstone", "Evidence is"),
    "key_operation_records": ("key_operation_record", "Records are"),
}
"""Tables whose rows are neither changed nor deleted, with their names in triggers and a word for them."""

NEW_ROWS = {
    "validate_key_master_parent": "As validate_key_master_parent. A new key closes no circle: no key names it yet.",
    "validate_key_master_encrypted_columns": "As validate_key_master_encrypted_columns, whose comment explains them.",
    "validate_key_version_activation": "No version of a revoked, expired or archived key can be activated.",
    "validate_key_version_wrapper": "As validate_key_version_wrapper. A new version closes no circle: it wraps none.",
    "validate_rotation_policy_triggers": "A policy needs at least one trigger of rotation: time, usage or compliance.",
    "guard_key_rotation_references_update": "Repeats the foreign keys, for connections with foreign_keys = OFF.",
}
"""Triggers of SQLite's that a second one repeats for new rows, with its comment: a trigger has one event."""
