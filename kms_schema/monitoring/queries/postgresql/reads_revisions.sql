SELECT pg_catalog.has_table_privilege(class.oid, 'SELECT') FROM pg_catalog.pg_class AS class
WHERE class.oid = pg_catalog.to_regclass(%(table)s)
