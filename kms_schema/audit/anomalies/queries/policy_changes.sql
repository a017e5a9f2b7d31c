-- The changes of rotation policies, the latest first.
SELECT entry.event_type, entry.timestamp, entry.additional_metadata
FROM {schema}.key_audit_logs AS entry
WHERE
    entry.timestamp >= %(since)s
    AND entry.event_type IN ('POLICY_CREATED', 'POLICY_CHANGED', 'POLICY_DELETED')
ORDER BY entry.sequence DESC
