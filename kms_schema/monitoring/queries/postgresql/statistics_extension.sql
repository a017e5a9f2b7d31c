SELECT pg_catalog.quote_ident(space.nspname), pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
    EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = pg_catalog.to_regclass(
                pg_catalog.quote_ident(space.nspname) || '.pg_stat_statements'
            ) AND attribute.attname = 'mean_exec_time'
    )
FROM pg_catalog.pg_extension AS extension
INNER JOIN pg_catalog.pg_namespace AS space ON extension.extnamespace = space.oid
WHERE extension.extname = 'pg_stat_statements'
