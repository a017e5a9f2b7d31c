-- Pages are consecutive, up to the size of the newest seal's tree.
CREATE FUNCTION {schema}.guard_key_audit_leaf_insert() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    leaves bigint;
    sealed bigint;
    fault text;
BEGIN
    SELECT first_leaf + length(hashes) / 32 INTO leaves FROM {schema}.key_audit_leaves ORDER BY first_leaf DESC LIMIT 1;
    SELECT max(tree_size) INTO sealed FROM {schema}.key_audit_seals;
    fault := CASE
        WHEN NEW.first_leaf IS DISTINCT FROM coalesce(leaves, 0)
            THEN format('leaf %s is not the next one, which is %s', NEW.first_leaf, coalesce(leaves, 0))
        WHEN NEW.first_leaf + length(NEW.hashes) / 32 > coalesce(sealed, 0)
            THEN format('the newest seal has only %s leaves', coalesce(sealed, 0))
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
