-- A version is wrapped by an undestroyed version of another key, a KEK, and no chain of wrappers closes a circle (its
-- keys could never be decrypted). FOR SHARE on the wrapper makes a concurrent destruction or rewrap of it wait. Only a
-- version that wraps others can close a circle. A lock on key_view_refreshes serializes rewraps of such versions (see
-- validate_key_master_parent), so under READ COMMITTED the rest of the chain cannot change. An older snapshot follows old
-- links; there FOR SHARE detects a changed link (40001). The lock is taken after the row locks, so that its holder never
-- waits for a session that waits for it. Two versions that are rewrapped by each other at the same time may deadlock (40P01): one of them must fail in
-- any case.
CREATE FUNCTION {schema}.validate_key_version_wrapper() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reads_committed CONSTANT boolean :=
        current_setting('transaction_isolation') IN ('read committed', 'read uncommitted');
    wrapper record;
    chain uuid[] := ARRAY[NEW.id];
    link uuid := NEW.wrapped_by_version_id;
    fault text;
BEGIN
    IF NEW.wrapped_by_version_id IS NULL
        OR TG_OP = 'UPDATE' AND NEW.wrapped_by_version_id IS NOT DISTINCT FROM OLD.wrapped_by_version_id
    THEN
        RETURN NEW;
    END IF;
    SELECT version.key_id, version.destroyed_at, master.key_type INTO wrapper
    FROM {schema}.key_versions AS version
    JOIN {schema}.key_masters AS master ON master.id = version.key_id
    WHERE version.id = NEW.wrapped_by_version_id
    FOR SHARE OF version;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'wrapped_by_version_id',
            CONSTRAINT = 'fk_key_versions_wrapped_by_version_id_key_versions',
            MESSAGE = format(
                'fk_key_versions_wrapped_by_version_id_key_versions: there is no version %s',
                NEW.wrapped_by_version_id
            ),
            HINT = 'Insert the wrapping version first, in a separate statement.';
    END IF;
    fault := CASE
        WHEN wrapper.key_type <> 'kek' THEN format('the wrapper must be a version of a kek, not of a %s key', wrapper.key_type)
        WHEN wrapper.key_id = NEW.key_id THEN 'the wrapper is a version of the same key'
        WHEN wrapper.destroyed_at IS NOT NULL THEN format('the wrapper was destroyed at %s', wrapper.destroyed_at)
    END;
    -- Reads the first version from here on instead of EXISTS: if all are wrapped by one wrapper, the planner would
    -- expect any other value soon, and scan the whole table without finding it.
    IF TG_OP = 'UPDATE' AND NEW.id = (
        SELECT wrapped_by_version_id FROM {schema}.key_versions
        WHERE wrapped_by_version_id >= NEW.id ORDER BY wrapped_by_version_id LIMIT 1
    ) THEN
        LOCK TABLE ONLY {schema}.key_view_refreshes IN SHARE UPDATE EXCLUSIVE MODE;
    END IF;
    WHILE fault IS NULL AND TG_OP = 'UPDATE' AND link IS NOT NULL LOOP
        IF link = ANY (chain) THEN
            fault := format('the wrappers would close a circle: %s', array_to_string(chain || link, ' -> '));
        END IF;
        chain := chain || link;
        IF reads_committed THEN
            SELECT wrapped_by_version_id INTO link FROM {schema}.key_versions WHERE id = link;
        ELSE
            SELECT wrapped_by_version_id INTO link FROM {schema}.key_versions WHERE id = link FOR SHARE;
        END IF;
    END LOOP;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'wrapped_by_version_id', CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: version %s may not be wrapped by %s: %s', TG_NAME, NEW.id, NEW.wrapped_by_version_id, fault
            );
    END IF;
    RETURN NEW;
END
$$
