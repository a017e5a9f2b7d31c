-- A version cannot be destroyed while it wraps others: that would destroy those keys as well. The statement already has
-- the row lock, and wrapping takes FOR SHARE on the row: earlier wrappings have committed, and a new snapshot sees
-- them. An older snapshot does not, and wrapping changes nothing in this row that would conflict (otherwise all new
-- keys under one KEK would queue). So destruction requires READ COMMITTED.
CREATE FUNCTION {schema}.prevent_key_version_destruction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dependents bigint;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: version %s: destruction requires READ COMMITTED, not %s: an older snapshot does not show later '
                'wrappings', TG_NAME, NEW.id, upper(current_setting('transaction_isolation') COLLATE "C")
            ),
            HINT = 'Destroy in a separate transaction: BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    -- An index tells if it wraps any, as in validate_key_version_wrapper: most versions wrap none, and counting would
    -- scan the whole table if all are wrapped by one wrapper.
    IF NEW.id = (
        SELECT wrapped_by_version_id FROM {schema}.key_versions
        WHERE wrapped_by_version_id >= NEW.id ORDER BY wrapped_by_version_id LIMIT 1
    ) THEN
        SELECT count(*) INTO dependents
        FROM {schema}.key_versions
        WHERE wrapped_by_version_id = NEW.id AND destroyed_at IS NULL;
    END IF;
    IF dependents > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: version %s still wraps %s versions', TG_NAME, NEW.id, dependents),
            HINT = 'Rewrap or destroy those first.';
    END IF;
    RETURN NEW;
END
$$
