-- A change is an entry of the audit log, in this transaction; without a change nothing is written.
DO $kms$
BEGIN
    PERFORM set_config('kms.hardening_changed', (current_setting('kms.hardening_before')::jsonb <> ({state}))::text, true);
    IF current_setting('kms.hardening_changed')::boolean THEN
        INSERT INTO {schema}.key_audit_logs
            (event_type, event_category, event_description, user_id, security_level, additional_metadata)
        VALUES (
            'RIGHTS_CHANGED', 'SECURITY', {description}, nullif(current_setting('kms.actor', true), ''), 'HIGH',
            jsonb_build_object('hardening', {done}, 'schema', {schema_name}, 'event_triggers', to_jsonb({names}))
        );
        IF NOT FOUND THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = 'a trigger or rule discarded the entry of the audit log, and nothing was changed',
                HINT = 'kms-schema validate names it.';
        END IF;
    END IF;
END $kms$;
