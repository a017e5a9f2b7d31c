-- Enums, domains and composite types of the schema, where all of it is read. A constraint of a domain that is NOT NULL is an attribute.
SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'composite type' END,
       t.typname::text, 'pg_type'::regclass::oid, t.oid, 0,
       jsonb_build_object(
           'labels', CASE WHEN t.typtype = 'e' THEN
               (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) END,
           'type', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
           'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation THEN
               (SELECT quote_ident(ln.nspname) || '.' || quote_ident(l.collname)
                FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = t.typcollation) END,
           'nullable', CASE WHEN t.typtype = 'd' THEN NOT t.typnotnull END,
           'default', CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) END,
           'checks', CASE WHEN t.typtype = 'd' THEN
               (SELECT jsonb_agg(quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) ORDER BY k.conname)
                FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c') END,
           'attributes', CASE WHEN t.typtype = 'c' THEN
               (SELECT jsonb_agg(
                           quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                           || CASE WHEN a.attcollation = y.typcollation THEN '' ELSE
                              (SELECT ' COLLATE ' || quote_ident(ln.nspname) || '.' || quote_ident(l.collname)
                               FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = a.attcollation) END
                           ORDER BY a.attnum)
                FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END,
           'owner', pg_get_userbyid(t.typowner),
           'acl', t.typacl::text[],
           'acl_default', CASE WHEN t.typacl IS NOT NULL THEN acldefault('T', t.typowner)::text[] END,
           'extension', (SELECT string_agg(CASE x.deptype WHEN 'e' THEN 'member of ' ELSE 'goes with ' END || quote_ident(e.extname), ', ' ORDER BY e.extname)
                         FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                         WHERE (x.classid, x.objid, x.refclassid) = ('pg_type'::regclass, t.oid, 'pg_extension'::regclass)),
           'comment', obj_description(t.oid, 'pg_type')
       )
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_type b ON b.oid = t.typbasetype
LEFT JOIN pg_class r ON r.oid = t.typrelid
WHERE n.nspname = %(schema)s AND %(relations)s::text[] IS NULL
  AND (t.typtype IN ('e', 'd') OR t.typtype = 'c' AND r.relkind = 'c')
