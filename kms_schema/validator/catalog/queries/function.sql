-- Functions and procedures by their names, each overload one object.
SELECT CASE f.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
       -- 14 and later write IN before the arguments of a procedure; an aggregate without any is called with *.
       quote_ident(f.proname) || '(' || CASE WHEN f.prokind = 'a' AND f.pronargs = 0 THEN '*' WHEN f.prokind = 'p' THEN regexp_replace(pg_get_function_identity_arguments(f.oid), '(^|, )IN ', '\1', 'g')
                           ELSE pg_get_function_identity_arguments(f.oid) END || ')', 'pg_proc'::regclass::oid, f.oid, 0,
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
           'body', CASE WHEN to_jsonb(f) ->> 'prosqlbody' IS NULL AND f.prokind IN ('f', 'p') THEN f.prosrc END,
           'binary', f.probin,
           'owner', pg_get_userbyid(f.proowner),
           'acl', f.proacl::text[],
           'acl_default', CASE WHEN f.proacl IS NOT NULL THEN acldefault('f', f.proowner)::text[] END,
           'definition', CASE WHEN f.prokind = 'a' THEN (
               SELECT concat_ws(', ', 'SFUNC = ' || a.aggtransfn, 'STYPE = ' || format_type(a.aggtranstype, NULL),
                   CASE WHEN a.aggtransspace <> 0 THEN 'SSPACE = ' || a.aggtransspace END,
                   CASE WHEN a.aggfinalfn <> 0 THEN 'FINALFUNC = ' || a.aggfinalfn END,
                   CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
                   'FINALFUNC_MODIFY = ' || CASE a.aggfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END,
                   CASE WHEN a.aggcombinefn <> 0 THEN 'COMBINEFUNC = ' || a.aggcombinefn END,
                   CASE WHEN a.aggserialfn <> 0 THEN 'SERIALFUNC = ' || a.aggserialfn END,
                   CASE WHEN a.aggdeserialfn <> 0 THEN 'DESERIALFUNC = ' || a.aggdeserialfn END,
                   'INITCOND = ' || quote_literal(a.agginitval),
                   CASE WHEN a.aggmtransfn <> 0 THEN 'MSFUNC = ' || a.aggmtransfn || ', MINVFUNC = ' || a.aggminvtransfn
                       || ', MSTYPE = ' || format_type(a.aggmtranstype, NULL) END,
                   CASE WHEN a.aggmtransspace <> 0 THEN 'MSSPACE = ' || a.aggmtransspace END,
                   CASE WHEN a.aggmfinalfn <> 0 THEN 'MFINALFUNC = ' || a.aggmfinalfn || CASE WHEN a.aggmfinalextra THEN ', MFINALFUNC_EXTRA' ELSE '' END
                       || ', MFINALFUNC_MODIFY = ' || CASE a.aggmfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
                   'MINITCOND = ' || quote_literal(a.aggminitval),
                   CASE WHEN a.aggsortop <> 0 THEN 'SORTOP = ' || a.aggsortop::regoper END,
                   'PARALLEL = ' || CASE f.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END,
                   CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END)
               FROM pg_aggregate a WHERE a.aggfnoid = f.oid)
           WHEN to_jsonb(f) ->> 'prosqlbody' IS NOT NULL OR f.prokind = 'w' THEN pg_get_functiondef(f.oid) END,
           'extension', (SELECT string_agg(CASE x.deptype WHEN 'e' THEN 'member of ' ELSE 'goes with ' END || quote_ident(e.extname), ', ' ORDER BY e.extname)
                         FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                         WHERE (x.classid, x.objid, x.refclassid) = ('pg_proc'::regclass, f.oid, 'pg_extension'::regclass)),
           'comment', obj_description(f.oid, 'pg_proc')
       )
FROM pg_proc f
JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE n.nspname = %(schema)s
  -- The functions of a range type come and go with it.
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype, d.refclassid) = ('pg_proc'::regclass, f.oid, 'i', 'pg_type'::regclass))
  AND (%(functions)s::text[] IS NULL OR f.proname = ANY (%(functions)s))
