-- Entries are written once: refuses UPDATE, DELETE and TRUNCATE. It raises an error, since returning NULL would
-- silently skip the row.
CREATE FUNCTION {schema}.prevent_key_audit_log_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: WORM violation: %s of audit entries is refused', TG_NAME, TG_OP)
            || CASE WHEN TG_LEVEL = 'ROW' THEN format(' (entry %s, sequence %s)', OLD.id, OLD.sequence) ELSE '' END,
        HINT = 'Entries are written once. Insert a new entry that corrects the old one.';
END
$$
