-- Constraints of our tables. NOT VALID is taken out of the definition, since validity is an attribute of its own. A foreign key is enforced
-- by internal triggers on both tables, which DISABLE TRIGGER ALL disables while the constraint still looks valid.
SELECT 'constraint', c.place || k.conname, 'pg_constraint'::regclass::oid, k.oid, 0,
       jsonb_build_object(
           'table', c.relname,
           'definition', regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
           -- A constraint that is NOT ENFORCED (18) is not validated either: that is one difference, in the definition.
           'validated', k.convalidated OR coalesce(to_jsonb(k) ->> 'conenforced' = 'false', false),
           'inherited', CASE WHEN (k.coninhcount > 0 OR NOT k.conislocal) AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) THEN true END,
           'keeping_triggers', (SELECT jsonb_agg(e.state ORDER BY e.state)
                                FROM (SELECT DISTINCT CASE t.tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END AS state
                                      FROM pg_trigger t
                                      WHERE t.tgconstraint = k.oid AND t.tgisinternal AND t.tgenabled <> 'O') e),
           'comment', obj_description(k.oid, 'pg_constraint')
       )
FROM ours c
JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
-- A foreign key to a partitioned table has one for each partition, which the server numbers.
AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.oid = k.conparentid AND p.conrelid = k.conrelid)
