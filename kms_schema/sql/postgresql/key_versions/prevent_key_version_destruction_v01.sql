-- A version is not destroyed while anything is wrapped by it: that would destroy those keys as well.
-- The statement holds the row's lock by now, and wrapping takes FOR SHARE on it: whoever wrapped before has
-- committed, and a new snapshot sees it. An older snapshot cannot, and wrapping leaves nothing on this row that
-- would conflict (it must not: all new keys under one KEK would queue). So destruction wants READ COMMITTED.
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
                '%s: version %s: destroying needs READ COMMITTED, not %s: an older snapshot cannot see what has been '
                'wrapped since', TG_NAME, NEW.id, upper(current_setting('transaction_isolation'))
            ),
            HINT = 'Destroy in a transaction of its own: BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    -- Whether it wraps any is asked of the index, as in validate_key_version_wrapper: most wrap none, and to count these
    -- the whole table would be read where all are wrapped under one wrapper.
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
