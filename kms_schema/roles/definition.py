"""Which group roles there are and what each may do: the one definition. Whatever is not here, none of them may do."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A group role, which nobody logs in as. Before each name stands the prefix, where there is one."""

    OWNER = "kms_owner"
    APP = "kms_app"
    ROTATOR = "kms_rotator"
    ADMIN = "kms_admin"
    AUDITOR = "kms_auditor"
    SEALER = "kms_sealer"
    RETENTION = "kms_retention"

    @property
    def duty(self) -> str:
        """What it is for, in a few words."""
        return _DUTIES[self]


_DUTIES = {
    Role.OWNER: "owns everything, once it was given to it (`--owner`)",
    Role.APP: "fetches keys and the versions that are not destroyed, counts their use, adds entries to the trail and"
    " reads its own",
    Role.ROTATOR: "adds, activates, rewraps and destroys versions, moves rotations and the states of keys",
    Role.ADMIN: "registers keys, makes policies and HSM configurations",
    Role.AUDITOR: "reads the trail, its seals, the views and what the keys are; no key material and no credentials",
    Role.SEALER: "seals the trail and refreshes the views",
    Role.RETENTION: "owns the one function that removes what is past its retention period, and writes tombstones; who"
    " seals these is a member of the sealer, too",
}

GRANTEES = tuple(role for role in Role if role is not Role.OWNER)
"""The roles below the owner."""


@dataclass(frozen=True)
class Grant:
    """What one role may do with one relation or function; of `columns` alone where these are given."""

    role: Role
    privileges: tuple[str, ...]
    on: str
    """A relation's name, or a function's with its arguments: `refresh_key_views()`."""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """Which rows roles see or write. Conditions are spelled as the server renders them (`pg_get_expr`)."""

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
    "key_rotation_causes",
    "key_rotations",
    "key_versions",
    "key_view_refreshes",
    "key_wrapping_dependents",
    "rotation_policies",
    "rotations_due",
)
"""The tables and views, `alembic_version` where it is in the same schema."""

SEQUENCES = ("key_audit_logs_sequence_seq",)

REMOVAL = "remove_expired_key_audit_logs()"
"""The function that belongs to the role of retention, and to nobody else once there is that role."""

CALLED_BY_ROLES = ("kms_restoring()", "kms_uuidv7()", "refresh_key_views()", REMOVAL)
"""The functions that are no trigger's: PUBLIC may call the first two until it loses that."""

_VIEWS = (
    "key_health_monitor", "key_management_dashboard", "key_view_refreshes", "key_wrapping_dependents", "rotations_due",
)  # fmt: skip

_WRITERS = (Role.APP, Role.ROTATOR, Role.ADMIN)
"""Who adds entries to the trail."""

CLIENT_COLUMNS = (
    "key_id", "event_type", "event_category", "event_description", "user_id", "session_id", "client_ip", "user_agent",
    "duration_ms", "security_level", "risk_score", "compliance_tags", "additional_metadata",
)  # fmt: skip
"""What a client says in an entry. The server sets the rest; how long an entry is kept is not the client's to choose."""

VERSION_COLUMNS = (
    "id", "key_id", "version_number", "key_checksum", "encryption_metadata", "wrapped_by_version_id",
    "wrapping_key_ref", "created_at", "activated_at", "deactivated_at", "destroyed_at", "usage_count",
    "data_volume_bytes", "generation_time_ms", "entropy_score", "key_type", "usage_ceiling", "volume_ceiling",
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

_READ, _ADD, _CHANGE = ("SELECT",), ("INSERT",), ("UPDATE",)

GRANTS = (
    # A session of SQLAlchemy names every column that has no default of the server's in its INSERT, so these need the
    # right on the whole table, or on each of those columns.
    Grant(Role.APP, _READ, "key_masters"),
    Grant(Role.APP, _READ, "key_versions"),
    Grant(Role.APP, _CHANGE, "key_versions", ("usage_count", "data_volume_bytes")),
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
            "encrypted_key_data", "encryption_metadata", "wrapped_by_version_id", "wrapping_key_ref", "activated_at",
            "deactivated_at", "destroyed_at", "usage_count", "data_volume_bytes", "generation_time_ms", "entropy_score",
            "usage_ceiling", "volume_ceiling",
        ),
    ),
    Grant(Role.ROTATOR, ("INSERT", "SELECT", "UPDATE"), "key_rotations"),
    Grant(Role.ROTATOR, _READ, "rotation_policies"),
    Grant(Role.ROTATOR, ("EXECUTE",), "kms_uuidv7()"),
    # To rewrap credentials, without the right to send them elsewhere: it opens every key, so what these open besides is
    # an HSM that it would have to reach. It must not see less than all that a wrapper still wraps.
    Grant(Role.ROTATOR, _READ, "hsm_configurations", REWRAPPED_OF_HSM),
    Grant(Role.ROTATOR, _CHANGE, "hsm_configurations", ("authentication_config", "wrapping_key_ref")),
    Grant(Role.ADMIN, ("INSERT", "SELECT"), "key_masters"),
    Grant(
        Role.ADMIN, _CHANGE, "key_masters",
        (
            "expires_at", "parent_key_id", "derivation_path", "max_usage_count", "hsm_provider", "hsm_key_id",
            "hsm_metadata", "security_level", "compliance_tags",
        ),
    ),
    Grant(Role.ADMIN, ("DELETE", "INSERT", "SELECT", "UPDATE"), "rotation_policies"),
    Grant(Role.ADMIN, ("DELETE", "INSERT", "SELECT", "UPDATE"), "hsm_configurations"),
    Grant(Role.ADMIN, ("EXECUTE",), "kms_uuidv7()"),
    Grant(Role.ADMIN, ("DELETE", "INSERT", "SELECT", "UPDATE"), "key_audit_retention_policies"),
    *(Grant(role, _READ, view) for role in (Role.ROTATOR, Role.ADMIN, Role.AUDITOR) for view in _VIEWS),
    *(
        Grant(Role.AUDITOR, _READ, relation)
        for relation in (
            "alembic_version", "key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees",
            "key_audit_tombstones", "key_audit_retention_policies", "key_audit_trail", "key_audit_unsealed",
            "key_audit_daily_totals", "key_masters", "key_rotation_causes", "key_rotations", "rotation_policies",
        )
    ),
    Grant(Role.AUDITOR, _READ, "key_versions", VERSION_COLUMNS),
    Grant(Role.AUDITOR, _READ, "hsm_configurations", HSM_COLUMNS),
    Grant(Role.SEALER, _READ, "key_audit_logs"),
    *(
        Grant(Role.SEALER, ("INSERT", "SELECT"), table)
        for table in ("key_audit_seals", "key_audit_leaves", "key_audit_subtrees")
    ),
    Grant(Role.SEALER, _READ, "key_audit_tombstones"),
    # The guards of the three ask it; what a trigger's WHEN calls, whoever writes has to be allowed to call.
    Grant(Role.SEALER, ("EXECUTE",), "kms_restoring()"),
    Grant(Role.SEALER, ("EXECUTE",), "refresh_key_views()"),
    Grant(Role.SEALER, _READ, "key_view_refreshes"),
    Grant(Role.RETENTION, ("DELETE", "SELECT"), "key_audit_logs"),
    Grant(Role.RETENTION, _ADD, "key_audit_logs", CLIENT_COLUMNS),
    *(Grant(Role.RETENTION, _READ, table) for table in ("key_audit_seals", "key_audit_leaves", "key_audit_subtrees")),
    Grant(Role.RETENTION, ("INSERT", "SELECT"), "key_audit_tombstones"),
    Grant(Role.RETENTION, ("EXECUTE",), "kms_restoring()"),
    Grant(Role.RETENTION, ("EXECUTE",), REMOVAL),
)  # fmt: skip
"""What each may do on relations and functions. Each has USAGE on the schema and CONNECT on the database besides."""

_OWN_ENTRIES = "((recorded_by)::text = (SESSION_USER)::text)"
_NOT_DESTROYED = "(destroyed_at IS NULL)"

POLICIES = (
    Policy("key_audit_logs", "key_audit_logs_add", "INSERT", (*_WRITERS, Role.RETENTION), check=_OWN_ENTRIES),
    Policy(
        "key_audit_logs", "key_audit_logs_read_all", "SELECT", (Role.AUDITOR, Role.SEALER, Role.RETENTION), using="true"
    ),
    Policy("key_audit_logs", "key_audit_logs_remove", "DELETE", (Role.RETENTION,), using="true"),
    Policy("key_audit_logs", "key_audit_logs_read_own", "SELECT", _WRITERS, using=_OWN_ENTRIES),
    Policy("key_versions", "key_versions_add", "INSERT", (Role.ROTATOR,), check="true"),
    Policy("key_versions", "key_versions_change", "UPDATE", (Role.ROTATOR,), using="true"),
    Policy("key_versions", "key_versions_count_use", "UPDATE", (Role.APP,), using=_NOT_DESTROYED),
    Policy("key_versions", "key_versions_read_all", "SELECT", (Role.ROTATOR, Role.AUDITOR), using="true"),
    Policy("key_versions", "key_versions_read_usable", "SELECT", (Role.APP,), using=_NOT_DESTROYED),
)
"""Row-level security. It is not FORCEd: the owner sees all, so that its triggers and dumps are whole."""

PROTECTED = tuple(sorted({policy.table for policy in POLICIES}))
"""The tables with row-level security."""
