-- Seals are consecutive, and each is complete before the next. `audit verify` checks the content of a seal.
CREATE FUNCTION {schema}.guard_key_audit_seal_insert() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    previous {schema}.key_audit_seals;
    leaves bigint;
    fault text;
BEGIN
    SELECT * INTO previous FROM {schema}.key_audit_seals ORDER BY seal_number DESC LIMIT 1;
    SELECT first_leaf + length(hashes) / 32 INTO leaves FROM {schema}.key_audit_leaves ORDER BY first_leaf DESC LIMIT 1;
    fault := CASE
        WHEN NEW.seal_number IS DISTINCT FROM coalesce(previous.seal_number, 0) + 1
            THEN format('seal %s does not follow seal %s', NEW.seal_number, coalesce(previous.seal_number, 0))
        WHEN coalesce(leaves, 0) <> coalesce(previous.tree_size, 0)
            THEN format('seal %s is incomplete: leaves are missing', previous.seal_number)
        WHEN NEW.origin <> previous.origin
            THEN format('the origin of the audit trail is %s, not %s', previous.origin, NEW.origin)
        WHEN NEW.tree_size <= previous.tree_size
            THEN format('the tree already has %s leaves, and a seal must add some', previous.tree_size)
        WHEN NEW.last_sequence < previous.last_sequence
            THEN format('sequence %s has been sealed already', previous.last_sequence)
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
