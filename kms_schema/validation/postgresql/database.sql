-- The one row that is about the database and the session as a whole.
SELECT current_setting('server_version_num')::integer AS version,
       (SELECT s.oid FROM pg_namespace s WHERE s.nspname = %(schema)s) AS schema_oid
