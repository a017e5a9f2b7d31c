"""The queries of reports, the same on both engines; `Dialect` has their form for one engine and period.

`{p}` is the schema with its dot; `{start}`, `{end}`, `{now}` and those that `Dialect` adds are times. `shifted(…)`,
`days_after(…)`, `earliest(…)`, `json_text(…)`, `month_of(…)` and `text_of(…)` stand for what the engines write
differently. Each query can be run as it stands in a report. No query reads key material or credentials, so the role
kms_auditor may run all of them. Those about rotations are in `rotation_queries`.
"""

from kms_schema.roles.definition import RELATIONS

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

_IN_USE = "status IN ('pending', 'active')"

KEYS_BY_ALGORITHM = """SELECT key_type, algorithm, key_size_bits, status, count(*) AS keys
FROM {p}key_masters GROUP BY key_type, algorithm, key_size_bits, status
ORDER BY key_type, algorithm, key_size_bits, status"""
KEYS_BY_STATUS = """SELECT key_type, status, count(*) AS keys
FROM {p}key_masters GROUP BY key_type, status ORDER BY key_type, status"""
KEYS_IN_USE = f"SELECT count(*) AS pending_or_active_keys FROM {{p}}key_masters WHERE {_IN_USE}"
KEYS_IN_USE_BY_ALGORITHM = f"""SELECT algorithm, key_size_bits, count(*) AS keys
FROM {{p}}key_masters WHERE {_IN_USE} GROUP BY algorithm, key_size_bits ORDER BY algorithm, key_size_bits"""
ACTIVE_KEYS = "SELECT count(*) AS active_keys FROM {p}key_masters WHERE status = 'active'"

POLICIES = """SELECT policy_name, key_type, rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb
FROM {p}rotation_policies WHERE is_active ORDER BY policy_name"""
_WITHOUT_LIMIT = """master.expires_at IS NULL AND master.max_usage_count IS NULL AND NOT EXISTS (
    SELECT 1 FROM {p}rotation_policies AS policy
    WHERE policy.is_active AND policy.key_type = master.key_type AND coalesce(policy.rotation_interval_days,
        policy.max_key_age_days, policy.max_operations, policy.max_data_volume_mb) IS NOT NULL
)"""
WITHOUT_CRYPTOPERIOD = f"""SELECT master.key_id, master.key_type, master.activated_at
FROM {{p}}key_masters AS master WHERE master.status = 'active' AND {_WITHOUT_LIMIT}
ORDER BY master.key_id"""
WITH_LIMIT = f"""SELECT count(*) AS active_keys_with_a_limit
FROM {{p}}key_masters AS master WHERE master.status = 'active' AND NOT ({_WITHOUT_LIMIT})"""
EXPIRED_BUT_ACTIVE = """SELECT key_id, key_type, expires_at
FROM {p}key_masters WHERE status = 'active' AND expires_at IS NOT NULL AND expires_at <= {now}
ORDER BY expires_at, key_id"""

REVOKED_KEYS = "SELECT count(*) AS revoked_keys FROM {p}key_masters WHERE revoked_at IS NOT NULL"
RETIRED_KEYS = """SELECT count(*) AS retired_keys
FROM {p}key_masters WHERE status IN ('rotated', 'expired', 'revoked', 'archived')"""
REVOKED = """SELECT key_id, key_type, status, revoked_at, status_reason
FROM {p}key_masters WHERE revoked_at >= {start} AND revoked_at < {end} ORDER BY revoked_at, key_id"""
REVOKED_WITHOUT_REASON = """SELECT key_id, 'it has no reason' AS problem
FROM {p}key_masters
WHERE revoked_at >= {start} AND revoked_at < {end} AND coalesce(trim(status_reason), '') = ''
UNION ALL
SELECT master.key_id, 'version ' || live.version_number || ' is live'
FROM {p}key_masters AS master JOIN {p}key_versions AS live ON live.key_id = master.id
WHERE master.revoked_at IS NOT NULL AND live.activated_at IS NOT NULL AND live.deactivated_at IS NULL
ORDER BY 1, 2"""
# The status of an archived key says nothing about what it was before. An active key has rotated_at too.
_RETIRED_AT = """earliest(master.expired_at, master.revoked_at, master.archived_at,
        CASE master.status WHEN 'rotated' THEN master.rotated_at END)"""
# From entries to keys, in one pass over the log: from keys to entries, a key with many uses costs a search of all.
USED_AFTER_RETIREMENT = f"""WITH used AS MATERIALIZED (
    SELECT DISTINCT entry.key_id FROM {{p}}key_audit_logs AS entry
    JOIN {{p}}key_masters AS master ON master.id = entry.key_id
    WHERE entry."timestamp" >= {{start}} AND entry."timestamp" < {{end}} AND entry.event_type = 'KEY_USED'
        AND entry."timestamp" > shifted({_RETIRED_AT}, '2 hours')
        AND text_of(json_text(entry.additional_metadata, 'encryptions')) <> '0'
)
SELECT master.key_id, master.status, {_RETIRED_AT} AS retired_at
FROM used JOIN {{p}}key_masters AS master ON master.id = used.key_id
ORDER BY master.key_id"""

DESTROYED = """SELECT master.key_type, count(*) AS destroyed_versions
FROM {p}key_versions AS version JOIN {p}key_masters AS master ON master.id = version.key_id
WHERE version.destroyed_at >= {start} AND version.destroyed_at < {end}
GROUP BY master.key_type ORDER BY master.key_type"""
DESTROYED_VERSIONS = """SELECT count(*) AS destroyed_versions
FROM {p}key_versions WHERE destroyed_at >= {start} AND destroyed_at < {end}"""
# One pass over the log for both kinds.
_RECORDED_ENDS = """recorded_end AS MATERIALIZED (
    SELECT key_id, event_type, "timestamp" AS at, json_text(additional_metadata, 'id') AS version_id
    FROM {p}key_audit_logs
    WHERE "timestamp" > shifted({start}, '-1 day') AND "timestamp" < shifted({end}, '1 day')
        AND event_type IN ('KEY_REVOKED', 'VERSION_DESTROYED')
),
recorded_destruction AS MATERIALIZED (
    SELECT version.id FROM recorded_end AS entry
    JOIN {p}key_versions AS version ON version.key_id = entry.key_id
    WHERE entry.event_type = 'VERSION_DESTROYED' AND entry.version_id = text_of(version.id)
        AND entry.at > shifted(version.destroyed_at, '-1 day') AND entry.at < shifted(version.destroyed_at, '1 day')
)"""
_DESTROYED_UNRECORDED = """version.destroyed_at >= {recorded_from} AND version.destroyed_at < {end}
    AND version.destroyed_at > version.created_at AND version.id NOT IN (SELECT id FROM recorded_destruction)"""
DESTROYED_IN_PART = f"""WITH {_RECORDED_ENDS}
SELECT master.key_id, version.version_number, 'it still has a handle' AS problem
FROM {{p}}key_versions AS version JOIN {{p}}key_masters AS master ON master.id = version.key_id
WHERE version.destroyed_at >= {{start}} AND version.destroyed_at < {{end}} AND version.hsm_key_id IS NOT NULL
UNION ALL
SELECT master.key_id, version.version_number, 'it still wraps a version'
FROM {{p}}key_versions AS version JOIN {{p}}key_masters AS master ON master.id = version.key_id
WHERE version.destroyed_at >= {{start}} AND version.destroyed_at < {{end}} AND EXISTS (
    SELECT 1 FROM {{p}}key_versions AS dependent
    WHERE dependent.wrapped_by_version_id = version.id AND dependent.destroyed_at IS NULL
)
UNION ALL
SELECT master.key_id, version.version_number, 'it has no entry VERSION_DESTROYED'
FROM {{p}}key_versions AS version JOIN {{p}}key_masters AS master ON master.id = version.key_id
WHERE {_DESTROYED_UNRECORDED}
ORDER BY 1, 2"""

VERSIONS = "SELECT count(*) AS versions_with_material FROM {p}key_versions WHERE destroyed_at IS NULL"
WRAPPERS = """SELECT master.algorithm, master.key_size_bits,
    CASE WHEN version.hsm_key_id IS NOT NULL THEN 'HSM' WHEN version.wrapping_key_ref IS NOT NULL THEN 'root key'
        WHEN version.wrapped_by_version_id IS NOT NULL THEN 'key' ELSE 'nothing' END AS wrapped_by,
    wrapping.algorithm AS wrapper_algorithm, wrapping.key_size_bits AS wrapper_size_bits, count(*) AS versions
FROM {p}key_versions AS version
JOIN {p}key_masters AS master ON master.id = version.key_id
LEFT JOIN {p}key_versions AS wrapper ON wrapper.id = version.wrapped_by_version_id
LEFT JOIN {p}key_masters AS wrapping ON wrapping.id = wrapper.key_id
WHERE version.destroyed_at IS NULL
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
CUSTODY = """SELECT key_type, security_level, coalesce(hsm_provider, 'none') AS hsm_provider, count(*) AS active_keys
FROM {p}key_masters WHERE status = 'active' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
ACTIVE_MAXIMUM = """SELECT count(*) AS active_keys_of_level_maximum
FROM {p}key_masters WHERE status = 'active' AND security_level = 'MAXIMUM'"""
MAXIMUM_OUTSIDE_HSM = """SELECT key_id, key_type, algorithm
FROM {p}key_masters WHERE status = 'active' AND security_level = 'MAXIMUM' AND hsm_provider IS NULL ORDER BY key_id"""
ACTIVE_HSMS = "SELECT count(*) AS active_hsms FROM {p}hsm_configurations WHERE is_active"
HSMS = """SELECT configuration_name, provider, health_status, last_health_check
FROM {p}hsm_configurations WHERE is_active ORDER BY configuration_name"""
UNHEALTHY_HSMS = """SELECT configuration_name, provider, health_status, last_health_check
FROM {p}hsm_configurations WHERE is_active AND coalesce(health_status, '') <> 'HEALTHY' ORDER BY configuration_name"""
DUAL_CONTROL = """SELECT require_dual_auth, count(*) AS active_hsms
FROM {p}hsm_configurations WHERE is_active GROUP BY require_dual_auth ORDER BY require_dual_auth"""

_RELATIONS = ", ".join(f"'{each}'" for each in RELATIONS)
MEMBERS = f"""SELECT coalesce(grantee.rolname, 'PUBLIC') AS "role", grantee.rolcanlogin AS can_log_in,
    string_agg(DISTINCT granted.privilege_type, ', ' ORDER BY granted.privilege_type) AS privileges,
    count(DISTINCT relation.oid) AS relations,
    (SELECT string_agg(member.rolname, ', ' ORDER BY member.rolname)
        FROM pg_catalog.pg_auth_members AS membership
        JOIN pg_catalog.pg_roles AS member ON member.oid = membership.member
        WHERE membership.roleid = grantee.oid) AS members
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS place ON place.oid = relation.relnamespace
CROSS JOIN LATERAL (
    SELECT given.grantee, given.privilege_type
    FROM pg_catalog.aclexplode(coalesce(relation.relacl, pg_catalog.acldefault('r', relation.relowner))) AS given
    UNION ALL
    SELECT given.grantee, given.privilege_type || ' of columns'
    FROM pg_catalog.pg_attribute AS attribute CROSS JOIN LATERAL pg_catalog.aclexplode(attribute.attacl) AS given
    WHERE attribute.attrelid = relation.oid AND attribute.attacl IS NOT NULL AND NOT attribute.attisdropped
) AS granted
LEFT JOIN pg_catalog.pg_roles AS grantee ON grantee.oid = granted.grantee
WHERE place.nspname = {{schema}} AND relation.relname IN ({_RELATIONS})
GROUP BY grantee.oid, grantee.rolname, grantee.rolcanlogin ORDER BY 1"""

_WITHIN = '"timestamp" >= {start} AND "timestamp" < {end}'
SUMMARY = f"""SELECT event_type, security_level, recorded_by, count(*) AS entries,
    min(sequence) AS first_sequence, max(sequence) AS last_sequence,
    min(retention_period_days) AS shortest_retention_days
FROM {{p}}key_audit_logs WHERE {_WITHIN} GROUP BY 1, 2, 3"""
"""The query of a month that reads all its entries; the figures of several claims come from it."""
ENTRIES_BY_EVENT = f"""SELECT event_type, security_level, count(*) AS entries
FROM {{p}}key_audit_logs WHERE {_WITHIN} GROUP BY event_type, security_level ORDER BY event_type, security_level"""
ENTRIES_BY_LOGIN = f"""SELECT recorded_by, count(*) AS entries
FROM {{p}}key_audit_logs WHERE {_WITHIN} GROUP BY recorded_by ORDER BY recorded_by"""
OF_EVENTS = {
    f"""SELECT event_type, security_level, count(*) AS entries
FROM {{p}}key_audit_logs WHERE {_WITHIN} AND event_type IN ({", ".join(f"'{each}'" for each in sorted(events))})
GROUP BY event_type, security_level ORDER BY event_type, security_level""": frozenset(events)
    for events in (USE_EVENTS, EXPORT_EVENTS, ADMINISTRATION_EVENTS)
}
USES, EXPORTS, ADMINISTRATION = OF_EVENTS
ENTRIES_BY_RETENTION = f"""SELECT event_type, min(retention_period_days) AS shortest_retention_days
FROM {{p}}key_audit_logs WHERE {_WITHIN} GROUP BY event_type ORDER BY event_type"""
ENTRIES_BY_MONTH = f"""SELECT month_of("timestamp") AS "month", count(*) AS entries
FROM {{p}}key_audit_logs WHERE {_WITHIN} GROUP BY 1 ORDER BY 1"""
HIGH_RISK_BY_EVENT = f"""SELECT event_type, security_level, count(*) AS entries
FROM {{p}}key_audit_logs WHERE {_WITHIN} AND {HIGH_RISK}
GROUP BY event_type, security_level ORDER BY event_type, security_level"""
SELECTED = f"""SELECT sequence, id, "timestamp", event_type, security_level, risk_score, recorded_by, user_id,
    event_description, leaf_index
FROM {{p}}key_audit_trail WHERE {_WITHIN} AND ({{condition}})"""
"""The entries of a selection."""
ADDRESSES = f"""SELECT count(*) AS entries, count(client_ip) AS entries_with_address
FROM {{p}}key_audit_logs WHERE {_WITHIN}"""
LOG_BEGINS = """SELECT (SELECT "timestamp" FROM {p}key_audit_logs ORDER BY sequence LIMIT 1) AS first_entry,
    (SELECT sealed_at FROM {p}key_audit_seals ORDER BY seal_number LIMIT 1) AS first_seal"""
"""Retention removes the first entries, and seals stay."""
SEALS_BY_MONTH = """SELECT month_of(sealed_at) AS "month", count(*) AS seals, count(signature) AS signed_seals
FROM {p}key_audit_seals WHERE sealed_at >= {start} AND sealed_at < {end} GROUP BY 1 ORDER BY 1"""
SEALS = """SELECT count(*) AS seals, count(signature) AS signed_seals, min(seal_number) AS first_seal,
    max(seal_number) AS last_seal, min(sealed_at) AS first_sealed_at, max(sealed_at) AS last_sealed_at
FROM {p}key_audit_seals WHERE sealed_at >= {start} AND sealed_at < {end}"""
SEALED_SEQUENCES = """SELECT min(page.first_sequence) AS first_sequence,
    max(page.first_sequence + length(page.hashes) / 32 - 1) AS last_sequence
FROM {p}key_audit_leaves AS page
WHERE page.first_leaf >= coalesce((SELECT max(tree_size) FROM {p}key_audit_seals WHERE sealed_at < {start}), 0)
    AND page.first_leaf < coalesce((SELECT max(tree_size) FROM {p}key_audit_seals WHERE sealed_at < {end}), 0)"""
"""The sequences that seals of the period cover."""
SEAL_BEFORE = "SELECT max(seal_number) AS seal_number FROM {p}key_audit_seals WHERE sealed_at < {start}"
"""The last seal that covers no entry of the period."""
NOT_SEALED = f"""SELECT 'sequence ' || sequence AS object, 'no seal covers it' AS problem
FROM {{p}}key_audit_unsealed WHERE {_WITHIN} AND "timestamp" < {{day_ago}}
UNION ALL
SELECT 'seal ' || seal_number, 'it is not signed'
FROM {{p}}key_audit_seals WHERE sealed_at >= {{start}} AND sealed_at < {{end}} AND signature IS NULL
ORDER BY 1"""
ENDED = """SELECT (SELECT count(*) FROM {p}key_masters WHERE revoked_at >= {start} AND revoked_at < {end})
    + (SELECT count(*) FROM {p}key_versions WHERE destroyed_at >= {start} AND destroyed_at < {end})
    AS revocations_and_destructions"""
NOT_RECORDED = f"""WITH {_RECORDED_ENDS},
recorded_revocation AS MATERIALIZED (
    SELECT master.id FROM recorded_end AS entry JOIN {{p}}key_masters AS master ON master.id = entry.key_id
    WHERE entry.event_type = 'KEY_REVOKED' AND entry.at > shifted(master.revoked_at, '-1 day')
        AND entry.at < shifted(master.revoked_at, '1 day')
)
SELECT master.key_id, 'revoked without an entry KEY_REVOKED' AS problem
FROM {{p}}key_masters AS master
WHERE master.revoked_at >= {{recorded_from}} AND master.revoked_at < {{end}} AND master.revoked_at > master.created_at
    AND master.id NOT IN (SELECT id FROM recorded_revocation)
UNION ALL
SELECT master.key_id, 'version ' || version.version_number || ' destroyed without an entry VERSION_DESTROYED'
FROM {{p}}key_versions AS version JOIN {{p}}key_masters AS master ON master.id = version.key_id
WHERE {_DESTROYED_UNRECORDED}
ORDER BY 1, 2"""
OPERATIONS = """SELECT operation, subject, count(*) AS records, max(recorded_at) AS last_recorded_at
FROM {p}key_operation_records WHERE recorded_at >= {start} AND recorded_at < {end}
GROUP BY operation, subject ORDER BY operation, subject"""
RETENTION_POLICIES = """SELECT event_category, retention_period_days
FROM {p}key_audit_retention_policies ORDER BY event_category"""
PAST_THEIR_PERIOD = """SELECT sequence, "timestamp", retention_period_days, event_type
FROM {p}key_audit_logs WHERE "timestamp" < {month_ago} AND days_after("timestamp", retention_period_days) < {month_ago}
ORDER BY sequence"""
REMOVED = """SELECT tombstone.seal_number, tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256
FROM {p}key_audit_tombstones AS tombstone ORDER BY tombstone.seal_number"""
REMOVED_UNTIL = """SELECT min(sealed_at) AS removed_until FROM {p}key_audit_seals
WHERE tree_size >= (SELECT max(leaf_count) FROM {p}key_audit_tombstones)"""
"""The time of the seal over the last removed entry: all removed ones are older."""
ARCHIVES = """SELECT archive_sha256 FROM {p}key_audit_tombstones
WHERE leaf_count > coalesce((SELECT max(tree_size) FROM {p}key_audit_seals WHERE sealed_at < {start}), 0)
ORDER BY seal_number"""
"""The archives of removed entries that seals since the start of the period cover."""
