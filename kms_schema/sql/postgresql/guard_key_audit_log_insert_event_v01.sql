-- An entry of a type that the database writes itself says that something happened, and comes with it. The triggers that
-- write such entries have the owner's rights; here, where nothing is SECURITY DEFINER, current_user is whose rights the
-- INSERT had.
CREATE FUNCTION {schema}.guard_key_audit_log_insert_event() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: the database itself writes entries of type %s, when it happens', TG_NAME, NEW.event_type),
            HINT = 'Choose another event_type for what the application has to say of it.';
    END IF;
    RETURN NEW;
END
$$
