DO $$
DECLARE
    relations text[] := ARRAY[{relations}];
    relation text;
    since timestamptz;
    holds_locks boolean;
    users text;
    timeout integer := (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout');
    -- While this session holds one lock and waits for the next, other sessions wait for it, perhaps since it began to
    -- wait for the first. That must end before deadlock_timeout: after it PostgreSQL resolves a deadlock by canceling a
    -- statement, which may be a client's.
    longest_wait integer := (SELECT setting::integer * 4 / 5 FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout');
    -- While this session waits for a lock that is held for long, all sessions behind it in the queue wait too. So the
    -- first attempts have a short timeout, and the next one begins when that lock may have been released.
    short_attempts integer := timeout / {short_timeout_ms};
    first_wait integer;
    all_waits integer;
BEGIN
    FOR attempt IN 1 - short_attempts..{attempts} LOOP
        BEGIN
            first_wait := CASE WHEN attempt <= 0 THEN {short_timeout_ms} ELSE timeout END;
            all_waits := CASE WHEN attempt <= 0 THEN {short_timeout_ms} ELSE longest_wait END;
            PERFORM pg_catalog.set_config('lock_timeout', first_wait::text, true);
            since := pg_catalog.clock_timestamp();
            holds_locks := false;
            FOREACH relation IN ARRAY relations LOOP
                IF holds_locks THEN
                    PERFORM pg_catalog.set_config('lock_timeout', greatest(
                        all_waits - pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - since) * 1000, 1
                    )::integer::text, true);
                END IF;
                CASE (SELECT relkind FROM pg_catalog.pg_class WHERE oid = relation::regclass)
                    WHEN 'm' THEN
                        -- LOCK TABLE takes no materialized view; this takes ACCESS EXCLUSIVE, and changes nothing.
                        EXECUTE 'ALTER MATERIALIZED VIEW ' || relation || ' RESET (user_catalog_table)';
                    WHEN 'v' THEN
                        -- LOCK TABLE would lock what the view reads as well; this takes ACCESS EXCLUSIVE of it alone.
                        EXECUTE 'ALTER VIEW ' || relation || ' RESET (check_option)';
                    ELSE
                        EXECUTE 'LOCK TABLE ' || relation || ' IN {mode} MODE';
                END CASE;
                holds_locks := true;
            END LOOP;
            PERFORM pg_catalog.set_config('lock_timeout', timeout::text, true);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            -- The locks of this attempt are released. The next one begins with the relation that could not be locked,
            -- since the first wait, with no lock held, may be as long as lock_timeout: long enough for an autovacuum to
            -- be canceled.
            relations := relation || array_remove(relations, relation);
            IF attempt < {attempts} THEN
                PERFORM pg_catalog.pg_sleep(0.1 + 0.4 * pg_catalog.random());
            END IF;
        END;
    END LOOP;
    SELECT string_agg(DISTINCT pg_catalog.format(
        'process %s of %s%s', pid, usename, CASE WHEN NOT granted THEN ', which waits for it' END
    ), ', ') INTO users
    FROM pg_catalog.pg_locks JOIN pg_catalog.pg_stat_activity USING (pid)
    WHERE pg_locks.relation = relations[1]::regclass AND pid <> pg_catalog.pg_backend_pid();
    RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = pg_catalog.format(
        'canceling statement due to lock timeout: in {attempts} attempts %s could not be locked; in use by %s',
        relations[1], coalesce(users, 'no session by now')
    );
END
$$
