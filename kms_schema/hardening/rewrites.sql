
-- Fires before a table is rewritten: otherwise a large table would be locked during the rewrite and refused afterwards.
DECLARE
    relations CONSTANT text[] := {relations};
BEGIN
    IF EXISTS (
        SELECT FROM pg_class r JOIN pg_namespace ours ON ours.oid = r.relnamespace
        WHERE ours.nspname = {schema_name} AND r.relname = ANY (relations) AND r.oid = pg_event_trigger_table_rewrite_oid()
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = {schema_name}, CONSTRAINT = {name},
            MESSAGE = format('%s: %s that rewrites %s is refused', {name}, tg_tag, pg_event_trigger_table_rewrite_oid()::regclass),
            HINT = {hint};
    END IF;
END
