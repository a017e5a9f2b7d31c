
-- Fires before an index is built or dropped CONCURRENTLY. Such a command commits in between: an error at its end would be too late.
-- No object is known yet, but the command is a single statement that names the index or the table. If another schema has a table of
-- the same name, the command continues and is refused at its end.
DECLARE
    statement CONSTANT text := lower(current_query() COLLATE "C");
BEGIN
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
