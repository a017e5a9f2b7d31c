
-- Fires after any command has dropped objects, also by CASCADE: an error rolls it back.
DECLARE
    relations CONSTANT text[] := {relations};
    functions CONSTANT text[] := {functions};
    refused record;
BEGIN
    SELECT d.object_type, d.object_identity INTO refused
    FROM pg_event_trigger_dropped_objects() d
    WHERE CASE d.classid
        WHEN 'pg_proc'::regclass THEN d.address_names[1] = {schema_name} AND d.address_names[2] = ANY (functions)
        -- Dropping a foreign key of a host's table drops its internal triggers on a protected table.
        WHEN 'pg_trigger'::regclass THEN
            d.address_names[1] = {schema_name} AND d.address_names[2] = ANY (relations) AND (d.original OR d.normal)
        ELSE d.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_policy'::regclass)
            AND d.address_names[1] = {schema_name} AND d.address_names[2] = ANY (relations)
        END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = {schema_name}, CONSTRAINT = {name},
            MESSAGE = format('%s: %s that drops %s %s is refused', {name}, tg_tag, refused.object_type, refused.object_identity),
            HINT = {hint};
    END IF;
END
