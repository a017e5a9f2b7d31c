-- Constraints, but for NOT NULL, which goes with the column. A definition in several variants is for making it anew.
SELECT 'constraint ' || c.relname || '.' || k.conname AS key, c.relname AS relation, c.oid::regclass::text AS on_relation, c.oid::integer AS relation_oid, quote_ident(k.conname) AS name,
    k.contype AS type, pg_get_constraintdef(k.oid) AS definition, k.oid::integer AS oid, pg_relation_size(c.oid) > 0 AS has_rows,
    (SELECT quote_ident(attname) FROM pg_attribute a WHERE attrelid = c.oid AND attnum = k.conkey[1]) AS first_column_of_key,
    k.confrelid::regclass::text AS referenced_table,
    regexp_replace(pg_get_constraintdef(k.oid), 'REFERENCES [^(]*', 'REFERENCES public.mutated') AS to_another_table,
    regexp_replace(pg_get_constraintdef(k.oid), '^CHECK \((.*)\)$', 'CHECK ((\1) OR 1 > 2)') AS loosened,
    replace(pg_get_constraintdef(k.oid), ')', ', ' || (SELECT quote_ident(attname) FROM pg_attribute a
        WHERE attrelid = c.oid AND attnum > 0 AND attnum <> ALL (k.conkey) LIMIT 1) || ')') AS widened,
    replace(pg_get_constraintdef(k.oid), 'UNIQUE', 'UNIQUE NULLS NOT DISTINCT') AS nulls_not_distinct,
    regexp_replace(pg_get_constraintdef(k.oid), ' ON (DELETE|UPDATE) .*', '') AS without_actions,
    EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = k.conindid AND f.oid <> k.oid
            AND k.contype <> 'f') AS referenced,
    (SELECT string_agg(format('ALTER TABLE %s DISABLE TRIGGER %I;', g.tgrelid::regclass, g.tgname), ' ')
     FROM pg_trigger g WHERE g.tgconstraint = k.oid) AS disable
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
WHERE c.relnamespace = 'public'::regnamespace
