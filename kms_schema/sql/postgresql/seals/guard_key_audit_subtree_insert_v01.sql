-- The subtrees of a level are consecutive, as far as the newest seal's tree fills them.
CREATE FUNCTION {schema}.guard_key_audit_subtree_insert() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    following bigint;
    sealed bigint;
    fault text;
BEGIN
    SELECT max(position) + 1 INTO following FROM {schema}.key_audit_subtrees WHERE level = NEW.level;
    SELECT max(tree_size) INTO sealed FROM {schema}.key_audit_seals;
    fault := CASE
        WHEN NEW.position IS DISTINCT FROM coalesce(following, 0)
            THEN format('subtree %s of level %s is not the next one, which is %s', NEW.position, NEW.level, coalesce(following, 0))
        WHEN NEW.position >= coalesce(sealed, 0) >> NEW.level
            THEN format('subtree %s of level %s is not full yet', NEW.position, NEW.level)
    END;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: %s', TG_NAME, fault),
            HINT = 'Seal with kms-schema audit seal. A restore by the owner sets kms.restore = on first.';
    END IF;
    RETURN NEW;
END
$$
