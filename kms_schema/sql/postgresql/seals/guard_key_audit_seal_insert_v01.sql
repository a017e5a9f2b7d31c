-- Seals are consecutive, and each is complete before the next. `audit verify` checks the content of a seal.
--
-- A role that may seal without the key can put in any content. It must not stop what reads seals: dumps, refreshes, the
-- verification that finds it. So gaps are lists of three integers, and neither they nor the compact range are larger than
-- those of any seal. SECURITY DEFINER: clients need no privilege on kms_is_bounded.
CREATE FUNCTION {schema}.guard_key_audit_seal_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
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
        WHEN NEW.last_sequence = 9223372036854775807
            THEN 'no sequence can follow last_sequence'
        WHEN octet_length(NEW.compact_range) > 2048
            THEN 'compact_range has more than 64 hashes'
        WHEN jsonb_typeof(NEW.open_gaps) IN ('array', 'object') AND NOT {schema}.kms_is_bounded(NEW.open_gaps, 65536, false)
            THEN 'open_gaps has more than 65536 bytes, 16 levels, or 400 digits in a number'
        WHEN CASE
            WHEN jsonb_typeof(NEW.open_gaps) <> 'array' THEN false -- a CHECK covers this
            WHEN jsonb_path_exists(NEW.open_gaps, 'strict $[*] ? (@.type() != "array")') THEN true
            ELSE jsonb_path_exists(NEW.open_gaps, 'strict $[*] ? (@.size() != 3)') OR jsonb_path_exists(
                NEW.open_gaps,
                'strict $[*][*] ? (@.type() != "number" || @ < 0 || @ > 9223372036854775807 || @ != @.floor())'
            )
        END
            THEN 'open_gaps is not a list of [first, last, xmax]'
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
