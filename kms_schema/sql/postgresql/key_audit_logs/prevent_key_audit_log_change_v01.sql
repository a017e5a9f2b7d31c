-- Entries are written once: the one answer to UPDATE, DELETE and TRUNCATE. It raises and never returns NULL,
-- which would drop the statement's work without a word.
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
        HINT = 'Entries are written once. Write a new entry that corrects the old one.';
END
$$
