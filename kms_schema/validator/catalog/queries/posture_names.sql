-- Relations and functions with the name of one of ours that a statement without a schema finds first: in pg_catalog, or in a schema
-- that precedes ours on the search path of the database, a role or this session. A version table is that of the application.
SELECT * FROM (
WITH path AS (
    SELECT s.scope, ARRAY(
        SELECT CASE WHEN m.found[1] LIKE '"%%' THEN replace(substr(m.found[1], 2, length(m.found[1]) - 2), '""', '"') ELSE lower(btrim(m.found[1]) COLLATE "C") END
        FROM regexp_matches(substr(s.word, 13), '\s*("(?:[^"]|"")*"|[^",]+)', 'g') WITH ORDINALITY m (found, place) ORDER BY m.place) AS names
    FROM (SELECT 'the path of ' || scope AS scope, word FROM setting
          UNION ALL SELECT 'the path of this session', 'search_path=' || reset_val FROM pg_settings WHERE name = 'search_path') s
    WHERE s.word LIKE 'search_path=%%'
    UNION ALL SELECT 'every path', ARRAY['pg_catalog', %(schema)s::text]
), before AS (
    SELECT n.oid, n.nspname, path.scope FROM pg_namespace n JOIN path ON EXISTS (
        SELECT FROM unnest(path.names) WITH ORDINALITY e (name, place)
        WHERE e.place < array_position(path.names, %(schema)s::text)
          AND (e.name = n.nspname OR e.name = '$user' AND EXISTS (SELECT FROM pg_roles r WHERE r.rolname = n.nspname)))
    WHERE n.oid <> %(schema)s::regnamespace
), named AS (
    SELECT c.oid, CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END
           || quote_ident(before.nspname) || '.' || quote_ident(c.relname) AS name, quote_ident(o.relname) AS ours, before.scope
    FROM pg_class o JOIN pg_class c ON c.relname = o.relname AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') JOIN before ON before.oid = c.relnamespace
    WHERE o.oid = ANY (%(ours)s::oid[]) AND o.relnamespace = %(schema)s::regnamespace AND o.relkind IN ('r', 'v', 'm', 'S')
      AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = o.oid AND a.attname = 'version_num')
    UNION ALL
    SELECT f.oid, 'function ' || quote_ident(before.nspname) || '.' || quote_ident(f.proname), quote_ident(o.proname), before.scope
    FROM pg_proc o JOIN pg_proc f ON f.proname = o.proname AND f.proargtypes = o.proargtypes JOIN before ON before.oid = f.pronamespace
    WHERE o.oid = ANY (%(ours)s::oid[]) AND o.pronamespace = %(schema)s::regnamespace
)
SELECT 'KMS457', name, 'found before ' || quote_ident(%(schema)s::text) || '.' || ours || ' by ' || string_agg(DISTINCT scope, ', '), NULL
FROM named GROUP BY oid, name, ours
) found_first
