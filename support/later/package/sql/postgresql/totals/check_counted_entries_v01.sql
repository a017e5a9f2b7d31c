DO $$
BEGIN
    IF (SELECT coalesce(min(sequence), 0) FROM ONLY {schema}.key_audit_logs)
        <> current_setting('kms.first_counted')::bigint
        OR (SELECT coalesce(max(seal_number), 0) FROM {schema}.key_audit_seals)
        <> current_setting('kms.last_sealed')::bigint
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'entries of the audit trail were sealed or removed while they were counted; nothing was changed',
            HINT = 'Let kms-schema audit retain end, and upgrade again.';
    END IF;
END
$$
