SELECT coalesce(jsonb_agg(line ORDER BY line COLLATE "C"), '[]')
FROM (
    SELECT coalesce(quote_ident(r.rolname), 'PUBLIC') || ': ' || a.privilege_type || coalesce(' (' || quote_ident(o.part) || ')', '')
        || ' ON ' || o.what AS line
    FROM (
        SELECT 'relation ' || c.relname AS what, NULL::name AS part, c.relowner AS owner,
            coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)) AS acl
        FROM pg_class c
        WHERE c.relnamespace = to_regnamespace(quote_ident({schema_name})) AND c.relname = ANY ({relations} || {sequences})
        UNION ALL
        SELECT 'relation ' || c.relname, t.attname, c.relowner, t.attacl
        FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped
        WHERE c.relnamespace = to_regnamespace(quote_ident({schema_name})) AND c.relname = ANY ({relations})
        UNION ALL
        SELECT 'function ' || f.proname, NULL, f.proowner, coalesce(f.proacl, acldefault('f', f.proowner))
        FROM pg_proc f
        WHERE f.pronamespace = to_regnamespace(quote_ident({schema_name})) AND f.proname = ANY ({functions})
        UNION ALL
        SELECT 'schema ' || n.nspname, NULL, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
        FROM pg_namespace n WHERE n.nspname = {schema_name}
        UNION ALL
        SELECT 'database ' || d.datname, NULL, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba))
        FROM pg_database d WHERE d.datname = current_database()
    ) o
    CROSS JOIN aclexplode(o.acl) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE a.grantee <> o.owner
    UNION ALL
    SELECT 'policy ' || p.polname || ' ON ' || c.relname || ' TO '
        || (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role) END, ', ' ORDER BY role) FROM unnest(p.polroles) AS role)
        || ': ' || concat_ws(' and ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace = to_regnamespace(quote_ident({schema_name})) AND c.relname = ANY ({relations})
    UNION ALL
    SELECT 'row-level security ON ' || c.relname FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(quote_ident({schema_name})) AND c.relname = ANY ({relations}) AND c.relrowsecurity
    UNION ALL
    SELECT 'owner OF ' || c.relname || ': ' || pg_get_userbyid(c.relowner) FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(quote_ident({schema_name})) AND c.relname = ANY ({relations})
    UNION ALL
    SELECT 'owner OF ' || f.proname || ': ' || pg_get_userbyid(f.proowner) FROM pg_proc f
    WHERE f.oid = to_regprocedure(format('%I.{removal}', {schema_name}))
) AS seen
