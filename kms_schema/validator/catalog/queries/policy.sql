-- Row-level security policies. Role 0 is PUBLIC; a role of that name is in quotes.
SELECT 'policy', c.place || p.polname, 'pg_policy'::regclass::oid, p.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           'permissive', p.polpermissive,
           'roles', (SELECT jsonb_agg(named.role ORDER BY named.role COLLATE "C")
                     FROM (SELECT CASE WHEN m.id = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(m.id)) END AS role
                           FROM unnest(p.polroles) AS m (id)) named),
           'using', pg_get_expr(p.polqual, p.polrelid),
           'check', pg_get_expr(p.polwithcheck, p.polrelid),
           'comment', obj_description(p.oid, 'pg_policy')
       )
FROM ours c
JOIN pg_policy p ON p.polrelid = c.oid
