
-- Before an index is built or dropped CONCURRENTLY, which commits in between: what is refused at its end is there, or gone, all the
-- same. No object is known yet. But such a command is a statement by itself, and has to name the index that it drops, or the table
-- that it builds one on, so that its text says it. Where a table of the same name is in another schema, too, it is let go on, and refused at its end.
DECLARE
    statement CONSTANT text := lower(current_query());
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
