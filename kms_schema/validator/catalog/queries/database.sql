-- The one row that is about the database and the session as a whole. As text, a name that is too long is no other name.
SELECT current_setting('server_version_num')::integer AS version,
       (SELECT s.oid FROM pg_namespace s WHERE s.nspname = %(schema)s::text) AS schema_oid,
       quote_ident(%(schema)s::text) AS identifier
