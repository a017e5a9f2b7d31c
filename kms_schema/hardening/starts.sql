
-- Fires before a rule or trigger is created, and before an index is built or dropped CONCURRENTLY.
DECLARE
    statement CONSTANT text := lower(current_query() COLLATE "C");
BEGIN
    -- The server locks the table of a rule or trigger before it looks at its owner, so that everybody waits behind this session. The
    -- table is not known yet, and current_query() can be anything. So a role that owns none is refused, and another one waits briefly.
    IF tg_tag IN ('CREATE RULE', 'CREATE TRIGGER') THEN
        IF EXISTS (
            SELECT FROM pg_class r JOIN pg_namespace ours ON ours.oid = r.relnamespace
            WHERE ours.nspname = {schema_name} AND r.relname = 'key_audit_logs' AND pg_has_role(r.relowner, 'MEMBER')
        ) THEN
            RETURN;
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relpersistence <> 't' AND pg_has_role(relowner, 'USAGE')
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'restrict_violation', SCHEMA = {schema_name}, CONSTRAINT = {name},
                MESSAGE = format('%s: %s is refused to a role that owns no table or view', {name}, tg_tag),
                HINT = {hint};
        END IF;
        IF current_setting('lock_timeout')::interval NOT BETWEEN '1 ms' AND '{lock_timeout}' THEN
            PERFORM set_config('lock_timeout', '{lock_timeout}', true);
        END IF;
        RETURN;
    END IF;
    -- CONCURRENTLY commits in between: an error at its end would be too late. No object is known yet, but the command is a single
    -- statement that names the index or the table. If another schema has a table of the same name, the command continues and is
    -- refused at its end.
    IF statement LIKE '%concurrently%' AND (
        statement LIKE '%u&"%'
        OR EXISTS (
            SELECT FROM unnest({kinds}, {relations}) AS ours (kind, name)
            WHERE (ours.kind = 'i') = (tg_tag = 'DROP INDEX') AND statement ~ ('\m' || ours.name || '\M')
                AND NOT EXISTS (
                    SELECT FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
                    WHERE r.relname = ours.name AND n.nspname <> {schema_name} AND NOT pg_is_other_temp_schema(n.oid)
                )
        )
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = {schema_name}, CONSTRAINT = {name},
            MESSAGE = format('%s: %s CONCURRENTLY is refused', {name}, tg_tag),
            HINT = {hint};
    END IF;
END
