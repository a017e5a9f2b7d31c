DO $$
BEGIN
    PERFORM
        set_config('kms.first_counted', coalesce(min(sequence), 0)::text, true),
        set_config(
            'kms.last_sealed', coalesce((SELECT max(seal_number) FROM {schema}.key_audit_seals), 0)::text, true
        )
    FROM ONLY {schema}.key_audit_logs;
END
$$
