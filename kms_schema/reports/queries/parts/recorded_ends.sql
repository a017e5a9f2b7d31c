-- One pass over the log for both kinds.
recorded_end AS MATERIALIZED (
    SELECT key_id, event_type, "timestamp" AS at, {json_text(additional_metadata, id)} AS version_id
    FROM {schema}.key_audit_logs
    WHERE "timestamp" > {hours_after({start}, -24)} AND "timestamp" < {hours_after({end}, 24)}
        AND event_type IN ('KEY_REVOKED', 'VERSION_DESTROYED')
),
recorded_destruction AS MATERIALIZED (
    SELECT version.id FROM recorded_end AS entry
    JOIN {schema}.key_versions AS version ON version.key_id = entry.key_id
    WHERE entry.event_type = 'VERSION_DESTROYED' AND entry.version_id = CAST(version.id AS text)
        AND entry.at > {hours_after(version.destroyed_at, -24)} AND entry.at < {hours_after(version.destroyed_at, 24)}
)
