SELECT bool_and(has_table_privilege(to_regclass(:table), needed))
FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
