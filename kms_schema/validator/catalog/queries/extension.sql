-- Extensions of the schema, where all of it is read: their members come and go with them.
SELECT 'extension', e.extname::text, 'pg_extension'::regclass::oid, e.oid, 0,
       jsonb_build_object('version', e.extversion)
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE n.nspname = %(schema)s AND %(relations)s::text[] IS NULL
