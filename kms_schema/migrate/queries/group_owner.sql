-- The role that owns the tables, if it cannot log in: a login becomes its member for an upgrade.
SELECT quote_ident(r.rolname) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
WHERE c.oid = to_regclass(:table) AND NOT r.rolcanlogin AND NOT r.rolsuper
