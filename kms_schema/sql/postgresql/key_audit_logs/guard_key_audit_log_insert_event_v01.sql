-- Entries of the types that record changes are written only by the triggers of this schema, which run with the owner's
-- privileges. This function is not SECURITY DEFINER, so current_user is the role with whose privileges the INSERT runs.
--
-- kms_schema.vocabulary.RecordedEvent; a test compares the two. Types that only look like one of them are refused, too:
-- ck_key_audit_logs_event_type_is_name leaves ASCII, and here all that differs is case, a separator, 0 for O, 1 or l for
-- I, rn for m and vv for w. The right side of the comparison is computed once a session.
--
-- The type is checked here and not in the trigger's WHEN clause: each INSERT reads that clause from text, which took 22
-- of 94 microseconds; a function is compiled once a session.
CREATE FUNCTION {schema}.guard_key_audit_log_insert_event() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF replace(replace(translate(upper(NEW.event_type COLLATE "C"), '01L_.:-', 'OII'), 'RN', 'M'), 'VV', 'W') = ANY (
        string_to_array(replace(replace(translate('
        KEY_CREATED, KEY_ACTIVATED, KEY_ROTATED, KEY_EXPIRED, KEY_REVOKED, KEY_ARCHIVED, KEY_PARENT_CHANGED,
        KEY_CHANGED, KEY_DELETED, VERSION_CREATED, VERSION_ACTIVATED, VERSION_DEACTIVATED, VERSION_DESTROYED,
        VERSION_REWRAPPED, VERSION_CHANGED, VERSION_DELETED, VERSION_COUNT_JUMPED, POLICY_CREATED, POLICY_CHANGED,
        POLICY_DELETED, ROTATION_SCHEDULED, ROTATION_STARTED, ROTATION_TAKEN_OVER, ROTATION_COMPLETED, ROTATION_FAILED,
        ROTATION_CHANGED, ROTATION_DELETED, HSM_CONFIGURATION_CREATED, HSM_CONFIGURATION_CHANGED,
        HSM_CONFIGURATION_DELETED, HSM_HEALTH_CHANGED, RETENTION_POLICY_CREATED, RETENTION_POLICY_CHANGED,
        RETENTION_POLICY_DELETED, TRAIL_CUT, RIGHTS_CHANGED
        ', E'01L_ \n', 'OII'), 'RN', 'M'), 'VV', 'W'), ',')
    ) THEN
        IF NOT pg_has_role(
            current_user,
            (SELECT relowner FROM pg_class WHERE oid = TG_RELID),
            'USAGE'
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: only the database writes entries of type %s', TG_NAME, NEW.event_type
                ),
                HINT = 'Use another event_type for entries of the application.';
        END IF;
    END IF;
    RETURN NEW;
END
$$
