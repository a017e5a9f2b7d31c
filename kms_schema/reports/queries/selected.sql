-- The entries of a selection.
SELECT sequence, id, "timestamp", event_type, security_level, risk_score, recorded_by, user_id,
    event_description, leaf_index
FROM {schema}.key_audit_trail WHERE {part(within)} AND ({condition})
ORDER BY sequence
