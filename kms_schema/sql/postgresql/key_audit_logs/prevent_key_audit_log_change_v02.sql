-- Entries are written once: the one answer to UPDATE, DELETE and TRUNCATE. It raises and never returns NULL,
-- which would drop the statement's work without a word.
--
-- What is past its retention period goes when a sealed tombstone says so, and by one hand: that of the role which owns
-- remove_expired_key_audit_logs(). As long as this is the owner of the trail, nothing goes.
CREATE FUNCTION {schema}.prevent_key_audit_log_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fault text;
BEGIN
    IF TG_OP = 'DELETE' AND current_user = (
        SELECT pg_get_userbyid(function.proowner)
        FROM pg_proc AS function, pg_class AS trail
        WHERE function.oid = to_regprocedure('{schema}.remove_expired_key_audit_logs()')
            AND trail.oid = TG_RELID AND trail.relowner <> function.proowner
    ) THEN
        fault := CASE
            WHEN (OLD."timestamp" + make_interval(hours => 24 * OLD.retention_period_days) <= clock_timestamp()) IS NOT TRUE
                THEN 'it is to be kept for longer'
            WHEN NOT EXISTS (
                SELECT FROM {schema}.key_audit_tombstones AS tombstone
                JOIN {schema}.key_audit_seals AS seal ON seal.seal_number = tombstone.seal_number
                WHERE tombstone.last_sequence >= OLD.sequence AND seal.signature IS NOT NULL
            ) THEN 'no tombstone is for it'
        END;
        IF fault IS NULL THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
        MESSAGE = format('%s: WORM violation: %s of audit entries is refused', TG_NAME, TG_OP)
            || CASE WHEN TG_LEVEL = 'ROW' THEN format(' (entry %s, sequence %s%s)', OLD.id, OLD.sequence, ': ' || fault) ELSE '' END,
        HINT = 'Entries are written once. Write a new entry that corrects the old one.';
END
$$
