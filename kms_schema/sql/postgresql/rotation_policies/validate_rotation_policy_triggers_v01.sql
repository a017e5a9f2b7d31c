-- A policy needs at least one trigger of rotation: time, usage or compliance.
CREATE FUNCTION {schema}.validate_rotation_policy_triggers() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF num_nonnulls(
        NEW.rotation_interval_days, NEW.max_key_age_days, NEW.max_operations, NEW.max_data_volume_mb
    ) = 0 AND NEW.rotate_on_compliance_requirement IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: policy %L has nothing that makes a key due', TG_NAME, NEW.policy_name),
            HINT = 'Set at least one of rotation_interval_days, max_key_age_days, max_operations, '
                'max_data_volume_mb, rotate_on_compliance_requirement.';
    END IF;
    RETURN NEW;
END
$$
