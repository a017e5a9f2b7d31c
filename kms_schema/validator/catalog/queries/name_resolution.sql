-- Objects that a statement can mean in place of built-in ones: casts between built-in types, and objects with the name of a built-in one.
-- This is read before every other query, and uses nothing that can mean something else: no operator between different types, and no cast
-- that calls a function. Rows have a kind, the schema, whether that is the one of a role, the object, and the SQL that removes it.
SELECT 'cast', '', false, format('cast from %%s to %%s', format_type(k.castsource, NULL), format_type(k.casttarget, NULL)),
       format('DROP CAST (%%s AS %%s);', format_type(k.castsource, NULL), format_type(k.casttarget, NULL))
FROM pg_cast k
-- One WITH INOUT converts as the types themselves do.
WHERE k.oid >= '16384'::oid AND k.castsource < '16384'::oid AND k.casttarget < '16384'::oid AND k.castmethod <> 'i'
UNION ALL
SELECT 'operator', format('%%s', n.nspname), EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n.nspname),
       format('%%s%%s(%%s,%%s)', CASE n.nspname WHEN 'pg_catalog' THEN 'operator pg_catalog.' ELSE '' END, o.oprname, coalesce(format_type(nullif(o.oprleft, '0'::oid), NULL), 'NONE'), format_type(o.oprright, NULL)),
       format('DROP OPERATOR %%I.%%s(%%s,%%s);', n.nspname, o.oprname, coalesce(format_type(nullif(o.oprleft, '0'::oid), NULL), 'NONE'), format_type(o.oprright, NULL))
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE o.oid >= '16384'::oid AND (n.nspname = 'pg_catalog' OR (o.oprleft < '16384'::oid AND o.oprright < '16384'::oid))
  AND EXISTS (SELECT FROM pg_operator b WHERE b.oprname = o.oprname AND b.oid < '8000'::oid)
  -- Those of an extension are its script's where a superuser owns them.
  AND (n.nspname = 'pg_catalog' OR NOT EXISTS (
      SELECT FROM pg_depend d JOIN pg_roles r ON r.oid = o.oprowner AND r.rolsuper
      WHERE d.classid = 'pg_operator'::regclass::oid AND d.objid = o.oid AND d.deptype = 'e'))
UNION ALL
SELECT 'function', format('%%s', n.nspname), EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n.nspname),
       format('%%s%%I(%%s)', CASE n.nspname WHEN 'pg_catalog' THEN 'function pg_catalog.' ELSE '' END, p.proname, array_to_string(ARRAY(
           SELECT format_type(a.type, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a (type, place) ORDER BY a.place), ',')),
       format('DROP ROUTINE %%I.%%I(%%s);', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.oid >= '16384'::oid
  AND EXISTS (SELECT FROM pg_proc b WHERE b.proname = p.proname AND b.oid < '8000'::oid
                AND (n.nspname = 'pg_catalog' OR b.oid = ANY (%(builtins)s::oid[])))
  AND (n.nspname = 'pg_catalog' OR (
      NOT EXISTS (SELECT FROM unnest(p.proargtypes) a (type) WHERE a.type >= '16384'::oid)
      AND NOT EXISTS (
          SELECT FROM pg_depend d JOIN pg_roles r ON r.oid = p.proowner AND r.rolsuper
          WHERE d.classid = 'pg_proc'::regclass::oid AND d.objid = p.oid AND d.deptype = 'e')))
UNION ALL
SELECT 'setting', '', false, word, NULL
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) word LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE s.setdatabase = '0'::oid OR d.datname = current_database()
UNION ALL
SELECT 'setting', '', false, format('%%s=%%s', p.name, p.reset_val), NULL FROM pg_settings p WHERE p.name = 'search_path'
