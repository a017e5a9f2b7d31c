SELECT key_id, sequence,
    CASE event_category WHEN 'SECURITY' THEN 'incident' ELSE 'compliance' END AS reason, "timestamp" AS occurred_at
FROM {0} AS entries WHERE key_id IS NOT NULL AND (
    event_category = 'SECURITY' AND security_level = 'CRITICAL'
    OR event_category = 'COMPLIANCE' AND event_type = 'ROTATION_REQUIRED')
