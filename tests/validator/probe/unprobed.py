"""The objects that a probe cannot reach, because another one always refuses first.

That those are there, only the catalog says; a test holds every other protection of every revision to have an attempt.
"""

from kms_schema.validator.catalog.attributes import Objects, kind_and_name
from kms_schema.validator.probe.attempt import Engine
from kms_schema.validator.probe.precedence import answered_before, is_of_type

_ONE_BY_ONE = {
    "constraint rotation_policies.ck_rotation_policies_timezone_not_blank": (
        "trigger rotation_policies.validate_rotation_policy_timezone",
        "a blank name is no time zone",
    ),
    "trigger key_audit_tombstones.audit_key_audit_tombstone_insert": (
        "trigger key_audit_tombstones.guard_key_audit_tombstone_insert",
        "without an expired entry there is no tombstone to record",
    ),
    "trigger key_audit_logs.summarize_removed_key_audit_logs": (
        "trigger key_audit_logs.prevent_key_audit_log_delete",
        "no entry of a probe has expired, so none may be removed",
    ),
    "trigger key_masters.guard_key_master_update": (
        "trigger key_masters.protect_key_master_identity",
        "neither id nor key_id may change at all",
    ),
}
_ONE_BY_ONE |= {
    f"trigger {trigger}": ("function notify_key_change()", "a notice is sent by COMMIT, and a probe makes none")
    for trigger in (
        "key_masters.notify_key_master_change",
        "key_versions.notify_key_version_change",
        "key_versions.notify_key_version_insert",
    )
}
_ONE_BY_ONE |= {
    f"constraint {table}.ck_{table}_{rule}": (f"function {trigger}()", "no CHECK prints plaintext")
    for table, trigger, rules in (
        (
            "key_versions", "validate_key_version_material",
            ("key_checksum_is_sha256", "material_is_envelope", "material_names_its_envelope",
             "encryption_metadata_is_object"),
        ),
        (
            "hsm_configurations", "validate_hsm_configuration_credentials",
            ("authentication_config_is_envelope", "endpoint_url_has_no_secret"),
        ),
    )
    for rule in rules
}  # fmt: skip
_ON_SQLITE = {
    "constraint key_audit_logs.uq_key_audit_logs_sequence": (
        "trigger key_audit_logs.guard_key_audit_log_insert",
        "no client gives a sequence",
    ),
}
_ON_SQLITE |= {
    f"constraint {table}.{rule}": (f"trigger {table}.{protection}", "a row that does not follow the last is refused")
    for table, protection, rules in (
        (
            "key_audit_seals", "guard_key_audit_seal_insert",
            ("pk_key_audit_seals", "uq_key_audit_seals_tree_size", "ck_key_audit_seals_seal_number_positive",
             "ck_key_audit_seals_tree_size_positive"),
        ),
        (
            "key_audit_leaves", "guard_key_audit_leaf_insert",
            ("pk_key_audit_leaves", "ck_key_audit_leaves_first_leaf_not_negative"),
        ),
        (
            "key_audit_subtrees", "guard_key_audit_subtree_insert",
            ("pk_key_audit_subtrees", "ck_key_audit_subtrees_position_not_negative"),
        ),
    )
    for rule in rules
}  # fmt: skip
_ON_SQLITE |= {
    f"constraint key_audit_seals.ck_key_audit_seals_{rule}": (
        "trigger key_audit_seals.guard_key_audit_seal_insert",
        "the trail has seals; only the first seal could reach it",
    )
    for rule in ("origin_not_blank", "last_sequence_positive")
}
_TOMBSTONE = "trigger key_audit_tombstones.guard_key_audit_tombstone_insert"
_ON_SQLITE |= {
    f"constraint key_audit_tombstones.{rule}": (_TOMBSTONE, "only expired entries have a tombstone")
    for rule in (
        "pk_key_audit_tombstones",
        "uq_key_audit_tombstones_last_sequence",
        "fk_key_audit_tombstones_seal_number_key_audit_seals",
        *(f"ck_key_audit_tombstones_{rule}" for rule in (
            "leaf_count_positive", "last_sequence_positive", "archive_sha256_is_sha256", "seal_number_type",
            "leaf_count_type", "last_sequence_type", "archive_sha256_type",
        )),
    )
}  # fmt: skip
_ON_SQLITE |= {
    f"trigger key_audit_tombstones.prevent_key_audit_tombstone_{event}": (
        _TOMBSTONE,
        "without an expired entry there is no tombstone to change",
    )
    for event in ("update", "delete")
}
_ON_SQLITE["constraint key_audit_retention_policies.ck_key_audit_retention_policies_retention_period_days_type"] = (
    "trigger key_audit_retention_policies.guard_key_audit_retention_policy_insert",
    "it requires an integer as well",
)
_ON_SQLITE["constraint key_audit_actor.uq_key_audit_actor_actor"] = (
    "constraint key_audit_actor.pk_key_audit_actor",
    "the table has one row at most",
)
_REASONS = {
    "constraint key_audit_actor.fk_key_audit_actor_until_commit_key_audit_actor": (
        "it is checked at commit, and a probe never commits"
    ),
    "trigger key_operation_records.guard_key_operation_record_bounds": "the values of a probe are text in UTF-8",
} | dict.fromkeys(
    ("index uq_key_health_monitor", "index uq_key_management_dashboard"),
    "only the server writes the rows of a materialized view",
)


def why_unprobed(key: str, engine: Engine, expected: Objects) -> str | None:
    """Return why there is no attempt at a trigger, constraint or unique index; None if there is one."""
    name = kind_and_name(key)[1].rpartition(".")[2]
    table = str(expected[key].get("table", ""))
    first, why = (_ONE_BY_ONE | (_ON_SQLITE if engine == "sqlite" else {})).get(key, ("", ""))
    if first in expected:
        return f"{first} refuses first: {why}"
    if table == "alembic_version":
        return "the table is Alembic's, which a probe does not write"
    if reason := _REASONS.get(key):
        return reason
    if key.startswith("index ") and f"constraint {table}.{name}" in expected:
        return "it is the index of the constraint of the same name"
    return _why_unprobed_on_sqlite(key, table, name, expected) if engine == "sqlite" else None


def _why_unprobed_on_sqlite(key: str, table: str, name: str, expected: Objects) -> str | None:
    if is_of_type(key) and (first := answered_before(key, expected)):
        return f"{first} refuses first all that this would"
    if not key.startswith("trigger ") and (first := _says_the_same(name, table, expected)):
        return f"{first} says the same first, with foreign keys and checks off, too"
    return None


def _says_the_same(rule: str, table: str, expected: Objects) -> str:
    """Return the trigger that refuses by the same rule before a constraint is asked."""
    saying = (
        key
        for key, attributes in expected.items()
        if key.startswith(f"trigger {table}.")
        and f"'{rule}: " in str(attributes["definition"])
        and " BEFORE INSERT " in str(attributes["definition"])
    )
    return next(saying, "")
