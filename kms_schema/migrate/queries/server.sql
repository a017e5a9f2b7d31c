SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::integer / 10000 AS major,
       pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::boolean AS read_only,
       to_regnamespace(:schema) IS NOT NULL AS schema_exists,
       CASE WHEN to_regnamespace(:schema) IS NULL
            THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(:schema, 'CREATE') AND has_schema_privilege(:schema, 'USAGE')
       END AS may_create, has_language_privilege('plpgsql', 'USAGE') AS may_program,
       current_user AS role, current_database() AS database,
       (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory
