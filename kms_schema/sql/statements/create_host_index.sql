DO $$
BEGIN
    IF (
        SELECT count(*) FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = '{schema}' AND c.relname = '{table}' AND c.relkind IN ('r', 'm')
            AND a.attname IN ({wanted}) AND NOT a.attisdropped AND a.attgenerated <> 'v'
    ) = {count} THEN
        CREATE INDEX IF NOT EXISTS {name} ON {schema}.{table} ({columns});
    ELSE
        RAISE NOTICE '{name} is left out: the table {table} or a column of it is not here, or cannot be indexed';
    END IF;
END
$$
