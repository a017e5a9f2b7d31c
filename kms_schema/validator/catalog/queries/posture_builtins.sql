-- Built-in functions and views, to be compared with %(builtins)s: a digest of each, in place of what was observed, and its key. Every
-- aggregate and every function in SQL is among them, since the server runs the others by number, whatever pg_proc says; and those
-- that the package calls. Numbers from 8000 on are left to forks of PostgreSQL.
SELECT 'builtin', CASE p.prokind WHEN 'a' THEN 'aggregate' ELSE 'function' END || ' pg_catalog.' || p.oid::regprocedure::text,
       left(md5(CASE WHEN p.prokind = 'a' THEN concat_ws('|', a.aggkind, a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid,
                         a.aggserialfn::oid, a.aggdeserialfn::oid, a.aggmtransfn::oid, a.aggminvtransfn::oid, a.aggmfinalfn::oid,
                         a.aggsortop, a.aggtranstype, a.aggmtranstype, a.agginitval, a.aggminitval)
                     WHEN l.lanname = 'internal' THEN concat_ws('|', p.prosrc, p.proisstrict, p.provolatile, p.prosecdef, p.proconfig)
                     ELSE pg_get_functiondef(p.oid) END), 8), p.oid::text
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE p.oid < 8000 AND (p.prokind = 'a' OR l.lanname NOT IN ('internal', 'c') OR p.oid::text = ANY (%(builtins)s))
UNION ALL
SELECT 'builtin', 'view pg_catalog.' || v.relname, left(md5(pg_get_viewdef(v.oid)), 8), v.relname::text
FROM pg_class v
WHERE v.relnamespace = 'pg_catalog'::regnamespace AND v.relkind = 'v' AND v.relname = ANY (%(builtins)s)
UNION ALL
SELECT 'KMS445', 'function pg_catalog.' || p.oid::regprocedure::text, 'belongs to role ' || quote_ident(r.rolname), NULL
FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
WHERE p.oid < 8000 AND p.proowner <> 10
UNION ALL
-- A call means the object whose arguments fit best, and pg_catalog comes first in every search_path.
SELECT 'KMS445', 'function pg_catalog.' || p.oid::regprocedure::text, 'has the name of a built-in one',
       format('DROP ROUTINE pg_catalog.%%s;', p.oid::regprocedure)
FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.oid >= 16384
  AND EXISTS (SELECT FROM pg_proc b WHERE b.proname = p.proname AND b.pronamespace = p.pronamespace AND b.oid < 8000)
UNION ALL
SELECT 'KMS445', 'operator pg_catalog.' || o.oid::regoperator::text, 'has the name of a built-in one',
       format('DROP OPERATOR pg_catalog.%%s;', o.oid::regoperator)
FROM pg_operator o
WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oid >= 16384
  AND EXISTS (SELECT FROM pg_operator b WHERE b.oprname = o.oprname AND b.oprnamespace = o.oprnamespace AND b.oid < 8000)
