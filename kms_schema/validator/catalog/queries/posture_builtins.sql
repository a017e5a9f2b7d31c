-- Built-in functions and views, to be compared with %(builtins)s: a digest of each, in place of what was observed, and its key. Every
-- aggregate and every function in SQL is among them, since the server runs the others by number, whatever pg_proc says; and those
-- that the package calls; their names too, since one that was renamed makes room for another. Numbers from 8000 on are left to forks of PostgreSQL.
SELECT 'builtin', CASE p.prokind WHEN 'a' THEN 'aggregate' ELSE 'function' END || ' pg_catalog.' || p.oid::regprocedure::text,
       left(md5(CASE WHEN p.prokind = 'a' THEN concat_ws('|', p.proname, p.pronamespace::oid, a.aggkind, a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid,
                         a.aggserialfn::oid, a.aggdeserialfn::oid, a.aggmtransfn::oid, a.aggminvtransfn::oid, a.aggmfinalfn::oid,
                         a.aggsortop, a.aggtranstype, a.aggmtranstype, a.agginitval, a.aggminitval)
                     WHEN l.lanname = 'internal' THEN concat_ws('|', p.proname, p.pronamespace::oid, p.prosrc, p.proisstrict, p.provolatile, p.prosecdef, p.proconfig, nullif(p.prosupport::oid, 0))
                     ELSE pg_get_functiondef(p.oid) END), 8), p.oid::text
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE p.oid < 8000 AND (p.prokind = 'a' OR l.lanname NOT IN ('internal', 'c') OR p.oid::text = ANY (%(builtins)s))
UNION ALL
SELECT 'builtin', 'view pg_catalog.' || v.relname, left(md5(pg_get_viewdef(v.oid)), 8), v.relname::text
FROM pg_class v
WHERE v.relnamespace = 'pg_catalog'::regnamespace AND v.relkind = 'v' AND v.relname = ANY (%(builtins)s)
UNION ALL
-- An operator, a cast, a type or a class of operators names the functions that the server runs for it: one digest of each kind.
SELECT 'builtin', 'operators of pg_catalog',
       left(md5(string_agg(concat_ws('|', o.oid, o.oprname, o.oprkind, o.oprleft, o.oprright, o.oprresult, o.oprcom, o.oprnegate,
                                     o.oprcode::oid), ',' ORDER BY o.oid)), 8), 'operators'
FROM pg_operator o WHERE o.oid < 8000
UNION ALL
SELECT 'builtin', 'casts of pg_catalog',
       left(md5(string_agg(concat_ws('|', k.castsource, k.casttarget, k.castfunc, k.castcontext, k.castmethod), ','
                           ORDER BY k.castsource, k.casttarget)), 8), 'casts'
FROM pg_cast k WHERE k.oid < 16384 AND k.castsource < 8000 AND k.casttarget < 8000
UNION ALL
SELECT 'builtin', 'types of pg_catalog',
       left(md5(string_agg(concat_ws('|', t.oid, t.typname, t.typlen, t.typbyval, t.typtype, t.typelem, t.typinput::oid, t.typoutput::oid,
                                     t.typreceive::oid, t.typsend::oid, t.typbasetype), ',' ORDER BY t.oid)), 8), 'types'
FROM pg_type t WHERE t.oid < 8000
UNION ALL
SELECT 'builtin', 'operator classes of pg_catalog',
       left(md5(string_agg(c.line, ',' ORDER BY c.line COLLATE "C")), 8), 'classes'
FROM (
    SELECT concat_ws('|', 'o', s.amopfamily, s.amoplefttype, s.amoprighttype, s.amopstrategy, s.amoppurpose, s.amopopr) AS line
    FROM pg_amop s WHERE s.amopfamily < 8000 AND s.amopopr < 8000
    UNION ALL
    SELECT concat_ws('|', 'f', s.amprocfamily, s.amproclefttype, s.amprocrighttype, s.amprocnum, s.amproc::oid)
    FROM pg_amproc s WHERE s.amprocfamily < 8000 AND s.oid < 16384
    UNION ALL
    SELECT concat_ws('|', 'c', s.oid, s.opcmethod, s.opcfamily, s.opcintype, s.opcdefault) FROM pg_opclass s WHERE s.oid < 8000
) c
UNION ALL
SELECT 'KMS445', 'language plpgsql', 'another handler, or none', NULL
FROM pg_language l LEFT JOIN pg_proc h ON h.oid = l.lanplcallfoid
WHERE l.lanname = 'plpgsql' AND (h.probin, h.prosrc) IS DISTINCT FROM ('$libdir/plpgsql'::text, 'plpgsql_call_handler'::text)
UNION ALL
SELECT 'KMS445', 'function pg_catalog.' || p.oid::regprocedure::text, 'belongs to role ' || quote_ident(r.rolname), NULL
FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
WHERE p.oid < 8000 AND p.proowner <> 10
