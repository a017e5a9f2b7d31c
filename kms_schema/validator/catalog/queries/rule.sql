-- Rewrite rules other than those that make a view a view: a rule can discard or redirect a write before any trigger fires.
SELECT 'rule', c.place || r.rulename, 'pg_rewrite'::regclass::oid, r.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'definition', pg_get_ruledef(r.oid),
           'enabled', CASE r.ev_enabled WHEN 'O' THEN 'ORIGIN' WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE 'DISABLED' END,
           'comment', obj_description(r.oid, 'pg_rewrite')
       )
FROM ours c
JOIN pg_rewrite r ON r.ev_class = c.oid AND (r.rulename <> '_RETURN' OR c.relkind NOT IN ('v', 'm'))
