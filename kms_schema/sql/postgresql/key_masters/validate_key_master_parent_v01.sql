-- The parent is a key that can wrap others, and no chain of parents closes a circle. An INSERT closes none, because a
-- parent must be visible before another key can name it. A lock on key_view_refreshes serializes changes of parents, so
-- under READ COMMITTED the chain cannot change. An older snapshot follows old links; there FOR SHARE detects a changed
-- link (40001). Under READ COMMITTED FOR SHARE would deadlock (40P01): a session that waits for the lock already has its
-- row lock. Nothing else locks that table so, as VACUUM and CREATE INDEX CONCURRENTLY lock key_masters, and below the
-- owner no other role can, as anybody with a connection can hold an advisory lock. SECURITY DEFINER: row-level security must not
-- hide a link of the chain.
CREATE FUNCTION {schema}.validate_key_master_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reads_committed CONSTANT boolean :=
        current_setting('transaction_isolation') IN ('read committed', 'read uncommitted');
    parent_type text;
    chain text[] := ARRAY[NEW.key_id::text];
    link text := NEW.parent_key_id;
BEGIN
    IF NEW.parent_key_id IS NULL OR NEW.parent_key_id = NEW.key_id THEN
        RETURN NEW; -- a CHECK refuses a key that is its own parent
    END IF;
    SELECT key_type INTO parent_type FROM {schema}.key_masters WHERE key_id = NEW.parent_key_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'parent_key_id',
            CONSTRAINT = 'fk_key_masters_parent_key_id_key_masters',
            MESSAGE = format('fk_key_masters_parent_key_id_key_masters: there is no key %L', NEW.parent_key_id),
            HINT = 'Insert the parent first, in a separate statement.';
    END IF;
    IF parent_type NOT IN ('kek', 'hsm') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'parent_key_id', CONSTRAINT = TG_NAME,
            MESSAGE = format(
                '%s: the parent of key %L must be a kek or hsm key, and %L is a %s key',
                TG_NAME, NEW.key_id, NEW.parent_key_id, parent_type
            );
    END IF;
    IF TG_OP = 'INSERT' OR NEW.parent_key_id IS NOT DISTINCT FROM OLD.parent_key_id THEN
        RETURN NEW;
    END IF;
    LOCK TABLE ONLY {schema}.key_view_refreshes IN SHARE UPDATE EXCLUSIVE MODE;
    WHILE link IS NOT NULL LOOP
        IF link = ANY (chain) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'parent_key_id', CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: the parents of key %L would close a circle: %s',
                    TG_NAME, NEW.key_id, array_to_string(chain || link, ' -> ')
                );
        END IF;
        chain := chain || link;
        IF reads_committed THEN
            SELECT parent_key_id INTO link FROM {schema}.key_masters WHERE key_id = link;
        ELSE
            SELECT parent_key_id INTO link FROM {schema}.key_masters WHERE key_id = link FOR SHARE;
        END IF;
    END LOOP;
    RETURN NEW;
END
$$
