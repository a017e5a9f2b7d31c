-- Evidence is written once: refuses UPDATE, DELETE and TRUNCATE of seals, leaves, subtrees, tombstones and records.
CREATE FUNCTION {schema}.prevent_key_audit_evidence_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: WORM violation: %s of %s is refused', TG_NAME, TG_OP, TG_TABLE_NAME),
        HINT = 'Sealed evidence may not change.';
END
$$
