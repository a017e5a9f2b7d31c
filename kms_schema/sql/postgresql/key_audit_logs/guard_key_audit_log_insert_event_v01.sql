-- An entry of a type that the database writes itself says that something happened, and comes with it. The triggers that
-- write such entries have the owner's rights; here, where nothing is SECURITY DEFINER, current_user is whose rights the
-- INSERT had.
--
-- kms_schema.vocabulary.RecordedEvent; a test holds the two together. What only looks like one of them is none, either.
--
-- The types are looked at here, and not by the trigger's WHEN: that is kept as text, and read anew by each INSERT, which
-- took 22 microseconds of 94; a function is kept as it was understood.
CREATE FUNCTION {schema}.guard_key_audit_log_insert_event() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF upper(btrim(NEW.event_type, E' \t\n\r') COLLATE "C") = ANY ('{
        KEY_CREATED, KEY_ACTIVATED, KEY_ROTATED, KEY_EXPIRED, KEY_REVOKED, KEY_ARCHIVED, KEY_PARENT_CHANGED,
        KEY_CHANGED, KEY_DELETED, VERSION_CREATED, VERSION_ACTIVATED, VERSION_DEACTIVATED, VERSION_DESTROYED,
        VERSION_REWRAPPED, VERSION_CHANGED, VERSION_DELETED, POLICY_CREATED, POLICY_CHANGED, POLICY_DELETED,
        ROTATION_SCHEDULED, ROTATION_STARTED, ROTATION_TAKEN_OVER, ROTATION_COMPLETED, ROTATION_FAILED,
        ROTATION_CHANGED, ROTATION_DELETED, HSM_CONFIGURATION_CREATED, HSM_CONFIGURATION_CHANGED,
        HSM_CONFIGURATION_DELETED, RETENTION_POLICY_CREATED, RETENTION_POLICY_CHANGED, RETENTION_POLICY_DELETED,
        TRAIL_CUT, RIGHTS_CHANGED
    }'::text[]) THEN
        IF NOT pg_has_role(
            current_user,
            (SELECT relowner FROM pg_class WHERE oid = TG_RELID),
            'USAGE'
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: the database itself writes entries of type %s, when it happens', TG_NAME, NEW.event_type
                ),
                HINT = 'Choose another event_type for what the application has to say of it.';
        END IF;
    END IF;
    RETURN NEW;
END
$$
