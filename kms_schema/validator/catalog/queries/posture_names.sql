-- Relations with the name of one of ours that a statement without a schema finds first: in pg_catalog, or in a schema that precedes ours
-- on the search path of the database, a role or this session. A version table is that of the application.
SELECT 'KMS457', CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END
       || quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       'found before ' || quote_ident(%(schema)s::text) || '.' || quote_ident(o.relname) || ' by ' || string_agg(DISTINCT path.scope, ', '), NULL
FROM pg_class o JOIN pg_class c ON c.relname = o.relname AND c.relnamespace <> o.relnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN (
    SELECT s.scope, ARRAY(SELECT btrim(e.name, ' "') FROM unnest(string_to_array(substr(s.word, 13), ',')) WITH ORDINALITY e (name, place) ORDER BY e.place) AS names
    FROM (SELECT 'the path of ' || scope AS scope, word FROM setting
          UNION ALL SELECT 'the path of this session', 'search_path=' || reset_val FROM pg_settings WHERE name = 'search_path') s
    WHERE s.word LIKE 'search_path=%%'
    UNION ALL SELECT 'every path', ARRAY['pg_catalog', %(schema)s::text]
) path ON EXISTS (
    SELECT FROM unnest(path.names) WITH ORDINALITY e (name, place)
    WHERE e.place < array_position(path.names, %(schema)s::text)
      AND (e.name = n.nspname OR e.name = '$user' AND EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n.nspname)))
WHERE o.oid = ANY (%(ours)s::oid[]) AND o.relnamespace = %(schema)s::regnamespace AND o.relkind IN ('r', 'v', 'm', 'S')
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = o.oid AND a.attname = 'version_num')
GROUP BY c.oid, c.relkind, c.relname, n.nspname, o.relname
