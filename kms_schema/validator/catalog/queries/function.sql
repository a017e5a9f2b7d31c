-- Functions and procedures by their names, each overload one object.
SELECT CASE f.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
       f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')', 'pg_proc'::regclass::oid, f.oid, 0,
       jsonb_build_object(
           'arguments', pg_get_function_arguments(f.oid),
           'returns', pg_get_function_result(f.oid),
           'language', (SELECT lanname FROM pg_language l WHERE l.oid = f.prolang),
           'volatility', CASE f.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
           'parallel', CASE f.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END,
           'security_definer', f.prosecdef,
           'leakproof', CASE WHEN f.proleakproof THEN true END,
           'strict', CASE WHEN f.proisstrict THEN true END,
           'cost', f.procost,
           'rows', nullif(f.prorows, 0),
           'support', CASE WHEN f.prosupport <> 0 THEN f.prosupport::regproc::text END,
           -- With quote_all_identifiers a session, or pg_dump, quotes each name of a path.
           'settings', (SELECT jsonb_agg(CASE WHEN s.word LIKE 'search_path=%%' THEN regexp_replace(s.word, '"([a-z_][a-z0-9_]*)"', E'\\1', 'g')
                                              ELSE s.word END ORDER BY s.place)
                        FROM unnest(f.proconfig) WITH ORDINALITY AS s (word, place)),
           'body', CASE WHEN to_jsonb(f) ->> 'prosqlbody' IS NULL THEN f.prosrc END,
           'binary', f.probin,
           'owner', pg_get_userbyid(f.proowner),
           'acl', f.proacl::text[],
           'acl_default', CASE WHEN f.proacl IS NOT NULL THEN acldefault('f', f.proowner)::text[] END,
           'definition', CASE WHEN to_jsonb(f) ->> 'prosqlbody' IS NOT NULL THEN pg_get_functiondef(f.oid) END,
           'extension', (SELECT string_agg(CASE x.deptype WHEN 'e' THEN 'member of ' ELSE 'goes with ' END || quote_ident(e.extname), ', ' ORDER BY e.extname)
                         FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                         WHERE (x.classid, x.objid, x.refclassid) = ('pg_proc'::regclass, f.oid, 'pg_extension'::regclass)),
           'comment', obj_description(f.oid, 'pg_proc')
       )
FROM pg_proc f
JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname = %(schema)s
  AND (%(functions)s::text[] IS NULL OR f.proname = ANY (%(functions)s))
