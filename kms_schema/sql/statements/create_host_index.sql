DO $$
BEGIN
    IF (
        SELECT count(*) FROM information_schema.columns
        WHERE table_schema = '{schema}' AND table_name = '{table}' AND column_name IN ({wanted})
    ) = {count} THEN
        CREATE INDEX IF NOT EXISTS {name} ON {schema}.{table} ({columns});
    ELSE
        RAISE NOTICE '{name} is left out: {table} or a column of it is not here';
    END IF;
END
$$
