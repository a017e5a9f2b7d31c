DO $$
DECLARE
    relations text[] := ARRAY[{relations}];
    relation text;
    since timestamptz;
    held boolean;
    users text;
    timeout integer := (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout');
    -- While one lock is held and the next is waited for, others wait for us, perhaps since we began to wait for the
    -- first. That must end before deadlock_timeout: after it a circle is broken by refusing one of the others.
    haste integer := (SELECT setting::integer * 4 / 5 FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout');
    -- Who holds a lock for long would hold up everybody who waits behind us: at first we do not wait for such a one,
    -- but come back when it may have gone.
    hasty integer := timeout / {hasty_ms};
    first_wait integer;
    all_waits integer;
BEGIN
    FOR attempt IN 1 - hasty..{attempts} LOOP
        BEGIN
            first_wait := CASE WHEN attempt <= 0 THEN {hasty_ms} ELSE timeout END;
            all_waits := CASE WHEN attempt <= 0 THEN {hasty_ms} ELSE haste END;
            PERFORM pg_catalog.set_config('lock_timeout', first_wait::text, true);
            since := pg_catalog.clock_timestamp();
            held := false;
            FOREACH relation IN ARRAY relations LOOP
                IF held THEN
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
                held := true;
            END LOOP;
            PERFORM pg_catalog.set_config('lock_timeout', timeout::text, true);
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            -- What this attempt had locked is let go. The next begins with what could not be had, since the first
            -- wait, with nothing held, may be as long as lock_timeout: so long that an autovacuum gives way.
            relations := relation || array_remove(relations, relation);
            IF attempt < {attempts} THEN
                PERFORM pg_catalog.pg_sleep(0.1 + 0.4 * pg_catalog.random());
            END IF;
        END;
    END LOOP;
    SELECT string_agg(DISTINCT pg_catalog.format('process %s of %s', pid, usename), ', ') INTO users
    FROM pg_catalog.pg_locks JOIN pg_catalog.pg_stat_activity USING (pid)
    WHERE pg_locks.relation = relations[1]::regclass AND granted AND pid <> pg_catalog.pg_backend_pid();
    RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = pg_catalog.format(
        'canceling statement due to lock timeout: in {attempts} attempts %s could not be locked; in use by %s',
        relations[1], coalesce(users, 'nobody by now')
    );
END
$$
