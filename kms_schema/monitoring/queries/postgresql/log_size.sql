SELECT pg_catalog.pg_total_relation_size(%(table)s::text::pg_catalog.regclass)
