"""The definition of the group roles and their privileges. A role has no other privileges."""

from dataclasses import dataclass
from enum import StrEnum

from kms_schema.vocabulary import DocumentEvent


class Role(StrEnum):
    """A group role without LOGIN. Its name can have a prefix."""

    OWNER = "kms_owner"
    APP = "kms_app"
    ROTATOR = "kms_rotator"
    ADMIN = "kms_admin"
    AUDITOR = "kms_auditor"
    SEALER = "kms_sealer"
    RETENTION = "kms_retention"
    REMOVER = "kms_remover"

    @property
    def duty(self) -> str:
        """The duty of the role, in a few words."""
        return _DUTIES[self]


_DUTIES = {
    Role.OWNER: "owns all objects (with `--owner`)",
    Role.APP: "reads keys and the versions that are not destroyed, counts their use, declares encrypted columns,"
    " appends entries to the audit log and reads its own",
    Role.ROTATOR: "adds, activates, rewraps and destroys versions, moves rotations and the states of keys",
    Role.ADMIN: "registers keys, writes policies and HSM configurations",
    Role.AUDITOR: "reads the audit log, its seals, the views and the keys; no key material and no credentials. Records"
    " the documents that it writes",
    Role.SEALER: "seals the audit log and refreshes the views",
    Role.RETENTION: "calls the function that removes expired entries, and writes tombstones; to seal these, a role is"
    " also a member of the sealer",
    Role.REMOVER: "owns that function, and has no members: DELETE includes the privilege to lock the audit log against"
    " everybody",
}

GRANTEES = tuple(role for role in Role if role is not Role.OWNER)
"""The roles below the owner."""


@dataclass(frozen=True)
class Grant:
    """The privileges of one role on one relation or function, or only on its `columns`."""

    role: Role
    privileges: tuple[str, ...]
    on: str
    """A relation's name, or a function's with its arguments: `refresh_key_views()`."""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """The rows that roles read or write. The conditions are as the server renders them (`pg_get_expr`)."""

    table: str
    name: str
    command: str
    roles: tuple[Role, ...]
    using: str | None = None
    check: str | None = None


RELATIONS = (
    "alembic_version",
    "hsm_configurations",
    "key_audit_daily_totals",
    "key_audit_leaves",
    "key_audit_logs",
    "key_audit_retention_policies",
    "key_audit_seals",
    "key_audit_subtrees",
    "key_audit_tombstones",
    "key_audit_trail",
    "key_audit_unsealed",
    "key_health_monitor",
    "key_management_dashboard",
    "key_masters",
    "key_operation_records",
    "key_rotation_causes",
    "key_rotations",
    "key_versions",
    "key_view_refreshes",
    "key_wrapping_dependents",
    "rotation_policies",
    "rotations_due",
)
"""The tables and views; `alembic_version` if it is in the same schema."""

SEQUENCES = ("key_audit_logs_sequence_seq",)

REMOVAL = "remove_expired_key_audit_logs()"
"""The function that removes expired entries. The remover owns it, if that role exists."""

CALLED_BY_ROLES = ("kms_restoring()", "kms_uuidv7()", "lock_key_audit_seals()", "refresh_key_views()", REMOVAL)
"""The functions that roles call. PUBLIC may call the first two until the roles command revokes it."""

_VIEWS = (
    "key_health_monitor", "key_management_dashboard", "key_view_refreshes", "key_wrapping_dependents", "rotations_due",
)  # fmt: skip

_WRITERS = (Role.APP, Role.ROTATOR, Role.ADMIN)
"""The roles that append entries to the audit log."""

CLIENT_COLUMNS = (
    "key_id", "event_type", "event_category", "event_description", "user_id", "session_id", "client_ip", "user_agent",
    "duration_ms", "security_level", "risk_score", "compliance_tags", "additional_metadata",
)  # fmt: skip
"""The columns of an entry that a client sets. The server sets the others, the retention period included."""

DOCUMENT_COLUMNS = ("event_type", "event_category", "event_description", "user_id", "additional_metadata")
"""The columns of an entry about a document. No key: an entry about a key can make it due, and lower its score."""

RECORD_COLUMNS = ("operation", "subject", "seal_number", "errors", "warnings", "infos", "unchecked")
"""The columns of a record that a program sets. The server sets its time and role."""

VERSION_COLUMNS = (
    "id", "key_id", "version_number", "key_checksum", "encryption_metadata", "wrapped_by_version_id",
    "wrapping_key_ref", "hsm_key_id", "created_at", "activated_at", "deactivated_at", "destroyed_at", "usage_count",
    "data_volume_bytes", "generation_time_ms", "entropy_score", "key_type", "usage_index_bound", "volume_index_bound",
    "ciphertext_tag",
)  # fmt: skip
"""Of a version all but `encrypted_key_data`."""

HSM_COLUMNS = (
    "id", "provider", "configuration_name", "endpoint_url", "supported_algorithms", "max_key_size_bits",
    "supports_key_generation", "supports_key_derivation", "is_active", "last_health_check", "health_status",
    "response_time_ms", "require_dual_auth", "audit_all_operations", "created_at", "created_by", "updated_at",
    "wrapping_key_ref",
)  # fmt: skip
"""Of an HSM configuration all but `authentication_config`."""

REWRAPPED_OF_HSM = ("id", "configuration_name", "authentication_config", "wrapping_key_ref")
"""Of an HSM configuration what rewrapping its credentials has to see."""

USED_OF_HSM = ("configuration_name", "provider", "is_active", "require_dual_auth", "audit_all_operations")
"""The columns of an HSM configuration that decide whether its keys may be used, and the columns that are recorded."""

HEALTH_OF_HSM = ("last_health_check", "health_status", "response_time_ms")
"""Of an HSM configuration what a health check writes."""

ROTATION_COLUMNS = (
    "policy_id", "trigger", "trigger_details", "scheduled_at", "started_at", "completed_at", "failed_at", "old_version",
    "new_version", "status", "error_message", "retry_count", "max_retries", "next_retry_at", "claimed_by",
    "lease_expires_at", "execution_time_ms", "affected_records", "pre_rotation_checksum", "post_rotation_checksum",
    "rollback_available",
)  # fmt: skip
"""Of a rotation all but `id` and `key_id`. UPDATE of the whole table would include LOCK TABLE in every mode."""

_READ, _ADD, _CHANGE = ("SELECT",), ("INSERT",), ("UPDATE",)

GRANTS = (
    # A session of SQLAlchemy names every column that has no default of the server's in its INSERT, so these need the
    # right on the whole table, or on each of those columns.
    Grant(Role.APP, _READ, "key_masters"),
    # A column is declared before its first value is encrypted.
    Grant(Role.APP, _CHANGE, "key_masters", ("encrypted_columns",)),
    Grant(Role.APP, _READ, "key_versions"),
    Grant(Role.APP, _CHANGE, "key_versions", ("usage_count", "data_volume_bytes")),
    Grant(Role.APP, _READ, "hsm_configurations", USED_OF_HSM),
    *(Grant(role, _READ, "key_audit_logs") for role in _WRITERS),
    *(Grant(role, _ADD, "key_audit_logs", CLIENT_COLUMNS) for role in _WRITERS),
    Grant(Role.ROTATOR, _READ, "key_masters"),
    Grant(
        Role.ROTATOR, _CHANGE, "key_masters",
        (
            "status", "status_reason", "activated_at", "rotated_at", "expired_at", "revoked_at", "archived_at",
            "usage_count",
        ),
    ),
    Grant(Role.ROTATOR, ("INSERT", "SELECT"), "key_versions"),
    Grant(
        Role.ROTATOR, _CHANGE, "key_versions",
        (
            "encrypted_key_data", "encryption_metadata", "wrapped_by_version_id", "wrapping_key_ref", "hsm_key_id",
            "activated_at", "deactivated_at", "destroyed_at", "usage_count", "data_volume_bytes", "generation_time_ms",
            "entropy_score", "usage_index_bound", "volume_index_bound",
        ),
    ),
    Grant(Role.ROTATOR, ("INSERT", "SELECT"), "key_rotations"),
    Grant(Role.ROTATOR, _CHANGE, "key_rotations", ROTATION_COLUMNS),
    Grant(Role.ROTATOR, _READ, "rotation_policies"),
    Grant(Role.ROTATOR, ("EXECUTE",), "kms_uuidv7()"),
    # To rewrap credentials, without the privilege to change their endpoint. The role must see everything that a wrapper
    # wraps.
    Grant(
        Role.ROTATOR, _READ, "hsm_configurations",
        tuple(dict.fromkeys((*REWRAPPED_OF_HSM, *USED_OF_HSM, *HEALTH_OF_HSM))),
    ),
    Grant(
        Role.ROTATOR, _CHANGE, "hsm_configurations", ("authentication_config", "wrapping_key_ref", *HEALTH_OF_HSM)
    ),
    Grant(Role.ADMIN, ("INSERT", "SELECT"), "key_masters"),
    Grant(
        Role.ADMIN, _CHANGE, "key_masters",
        (
            "expires_at", "parent_key_id", "derivation_path", "max_usage_count", "hsm_provider", "hsm_key_id",
            "hsm_metadata", "security_level", "compliance_tags", "encrypted_columns",
        ),
    ),
    Grant(Role.ADMIN, ("DELETE", "INSERT", "SELECT", "UPDATE"), "rotation_policies"),
    Grant(Role.ADMIN, ("DELETE", "INSERT", "SELECT", "UPDATE"), "hsm_configurations"),
    Grant(Role.ADMIN, ("EXECUTE",), "kms_uuidv7()"),
    # No DELETE, with which it could lock the table, and every INSERT of an entry reads that.
    Grant(Role.ADMIN, ("INSERT", "SELECT"), "key_audit_retention_policies"),
    Grant(Role.ADMIN, _CHANGE, "key_audit_retention_policies", ("retention_period_days",)),
    *(Grant(role, _READ, view) for role in (Role.ROTATOR, Role.ADMIN, Role.AUDITOR) for view in _VIEWS),
    *(
        Grant(Role.AUDITOR, _READ, relation)
        for relation in (
            "alembic_version", "key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees",
            "key_audit_tombstones", "key_audit_retention_policies", "key_audit_trail", "key_audit_unsealed",
            "key_audit_daily_totals", "key_masters", "key_operation_records", "key_rotation_causes", "key_rotations",
            "rotation_policies",
        )
    ),
    Grant(Role.AUDITOR, _ADD, "key_audit_logs", DOCUMENT_COLUMNS),
    Grant(Role.AUDITOR, _READ, "key_versions", VERSION_COLUMNS),
    Grant(Role.AUDITOR, _READ, "hsm_configurations", HSM_COLUMNS),
    *(
        Grant(role, _ADD, "key_operation_records", RECORD_COLUMNS)
        for role in (Role.AUDITOR, Role.SEALER, Role.RETENTION)
    ),
    Grant(Role.SEALER, _READ, "key_audit_logs"),
    *(
        Grant(Role.SEALER, ("INSERT", "SELECT"), table)
        for table in ("key_audit_seals", "key_audit_leaves", "key_audit_subtrees")
    ),
    Grant(Role.SEALER, _READ, "key_audit_tombstones"),
    # Guard triggers of the three tables call it in WHEN, with the privileges of the writing role.
    Grant(Role.SEALER, ("EXECUTE",), "kms_restoring()"),
    Grant(Role.SEALER, ("EXECUTE",), "lock_key_audit_seals()"),
    Grant(Role.SEALER, ("EXECUTE",), "refresh_key_views()"),
    Grant(Role.SEALER, _READ, "key_view_refreshes"),
    Grant(Role.RETENTION, _READ, "key_audit_logs"),
    Grant(Role.RETENTION, _ADD, "key_audit_logs", CLIENT_COLUMNS),
    *(Grant(Role.RETENTION, _READ, table) for table in ("key_audit_seals", "key_audit_leaves", "key_audit_subtrees")),
    Grant(Role.RETENTION, ("INSERT", "SELECT"), "key_audit_tombstones"),
    Grant(Role.RETENTION, ("EXECUTE",), "kms_restoring()"),
    Grant(Role.RETENTION, ("EXECUTE",), REMOVAL),
    Grant(Role.REMOVER, ("DELETE", "SELECT"), "key_audit_logs"),
    Grant(Role.REMOVER, ("EXECUTE",), REMOVAL),
    *(Grant(Role.REMOVER, _READ, table) for table in ("key_audit_seals", "key_audit_leaves", "key_audit_tombstones")),
)  # fmt: skip
"""The privileges on relations and functions. Each role also has USAGE on the schema and CONNECT on the database."""

_OWN_ENTRIES = "((recorded_by)::text = (SESSION_USER)::text)"
_OWN_DOCUMENTS = (
    f"({_OWN_ENTRIES} AND ((event_type)::text = '{DocumentEvent.DOCUMENT_WRITTEN}'::text)"
    f" AND ((event_category)::text = '{DocumentEvent.DOCUMENT_WRITTEN.category}'::text))"
)
_NOT_DESTROYED = "(destroyed_at IS NULL)"

_VALIDATIONS = "((operation)::text = 'VALIDATION'::text)"
_CHECKPOINTS = "((operation)::text <> 'VALIDATION'::text)"
_PUBLICATIONS = "((operation)::text = 'PUBLICATION'::text)"

POLICIES = (
    Policy("key_audit_logs", "key_audit_logs_add", "INSERT", (*_WRITERS, Role.RETENTION), check=_OWN_ENTRIES),
    Policy("key_audit_logs", "key_audit_logs_add_document", "INSERT", (Role.AUDITOR,), check=_OWN_DOCUMENTS),
    Policy(
        "key_audit_logs",
        "key_audit_logs_read_all",
        "SELECT",
        (Role.AUDITOR, Role.SEALER, Role.RETENTION, Role.REMOVER),
        using="true",
    ),
    Policy("key_audit_logs", "key_audit_logs_remove", "DELETE", (Role.REMOVER,), using="true"),
    Policy("key_audit_logs", "key_audit_logs_read_own", "SELECT", _WRITERS, using=_OWN_ENTRIES),
    Policy(
        "key_operation_records", "key_operation_records_add_checkpoints", "INSERT", (Role.SEALER,), check=_CHECKPOINTS
    ),
    Policy(
        "key_operation_records",
        "key_operation_records_add_publications",
        "INSERT",
        (Role.RETENTION,),
        check=_PUBLICATIONS,
    ),
    Policy(
        "key_operation_records", "key_operation_records_add_validations", "INSERT", (Role.AUDITOR,), check=_VALIDATIONS
    ),
    Policy("key_operation_records", "key_operation_records_read_all", "SELECT", (Role.AUDITOR,), using="true"),
    Policy("key_versions", "key_versions_add", "INSERT", (Role.ROTATOR,), check="true"),
    Policy("key_versions", "key_versions_change", "UPDATE", (Role.ROTATOR,), using="true"),
    Policy("key_versions", "key_versions_count_use", "UPDATE", (Role.APP,), using=_NOT_DESTROYED),
    Policy("key_versions", "key_versions_read_all", "SELECT", (Role.ROTATOR, Role.AUDITOR), using="true"),
    Policy("key_versions", "key_versions_read_usable", "SELECT", (Role.APP,), using=_NOT_DESTROYED),
)
"""Row-level security. It is not FORCEd: triggers and dumps of the owner see all rows."""

PROTECTED = tuple(sorted({policy.table for policy in POLICIES}))
"""The tables with row-level security."""
