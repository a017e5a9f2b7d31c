-- Values in the catalog that no SQL command writes: a superuser can, with UPDATE. The server goes by them, and a definition does not have them.
-- An internal trigger belongs to a constraint, and runs one of the server's functions for it.
SELECT 'KMS453', 'trigger ' || c.relname || '.' || t.tgname,
       format('tgisinternal, but not a trigger of a foreign key or of a deferrable key as the server creates it: it runs %%s', t.tgfoid::regprocedure), NULL
FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid LEFT JOIN pg_proc p ON p.oid = t.tgfoid LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND t.tgisinternal AND (
    p.oid >= 8000 OR t.tgqual IS NOT NULL OR t.tgattr <> '' OR t.tgnargs <> 0 OR t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL
    OR (t.tgdeferrable AND NOT k.condeferrable) OR (t.tginitdeferred AND NOT k.condeferred)
    OR (k.contype = 'f' AND t.tgrelid = k.conrelid AND t.tgconstrrelid = k.confrelid
           AND (p.proname, t.tgtype) IN (('RI_FKey_check_ins', 5), ('RI_FKey_check_upd', 17))
        OR k.contype = 'f' AND t.tgrelid = k.confrelid AND t.tgconstrrelid = k.conrelid
           AND (p.proname, t.tgtype) IN (
               (format('RI_FKey_%%s_del', CASE k.confdeltype WHEN 'r' THEN 'restrict' WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'setnull' WHEN 'd' THEN 'setdefault' ELSE 'noaction' END), 9),
               (format('RI_FKey_%%s_upd', CASE k.confupdtype WHEN 'r' THEN 'restrict' WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'setnull' WHEN 'd' THEN 'setdefault' ELSE 'noaction' END), 17))
        OR k.contype IN ('p', 'u', 'x') AND (t.tgrelid, t.tgconstrindid) = (k.conrelid, k.conindid) AND (p.proname, t.tgtype) IN (('unique_key_recheck', 21))) IS NOT TRUE)
UNION ALL
-- The definition says so of constraint triggers alone.
SELECT 'KMS453', 'trigger ' || c.relname || '.' || t.tgname, 'tgdeferrable or tginitdeferred, but not a constraint trigger: it can fire at COMMIT', NULL
FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND NOT t.tgisinternal AND t.tgconstraint = 0 AND (t.tgdeferrable OR t.tginitdeferred)
UNION ALL
-- pg_dump takes a trigger with a parent for that of a partition, and leaves it out.
SELECT 'KMS453', 'trigger ' || c.relname || '.' || t.tgname, 'tgparentid, tgconstrrelid or tgconstrindid is set, but it is not of a partition or a constraint', NULL
FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND NOT t.tgisinternal
  AND (t.tgparentid <> 0 AND NOT c.relispartition OR t.tgconstraint = 0 AND (t.tgconstrrelid <> 0 OR t.tgconstrindid <> 0))
UNION ALL
SELECT 'KMS453', 'constraint ' || c.relname || '.' || k.conname, format('enforced by %%s of the 4 triggers of a foreign key', count(t.oid)), NULL
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' JOIN pg_class o ON o.oid = k.confrelid
LEFT JOIN pg_trigger t ON t.tgconstraint = k.oid AND t.tgisinternal
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
  AND o.relkind <> 'p' AND NOT o.relispartition -- a host's: each partition has two of them
GROUP BY c.relname, k.oid, k.conname HAVING count(t.oid) <> 4
UNION ALL
-- The operators by which a foreign key compares: those of equality of the index that it refers to.
SELECT 'KMS453', 'constraint ' || c.relname || '.' || k.conname, 'compares by other operators than those of its index', NULL
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' JOIN pg_index x ON x.indexrelid = k.conindid
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND EXISTS (
    SELECT FROM unnest(k.conpfeqop, k.conppeqop, k.conffeqop) AS e (pf, pp, ff)
    WHERE NOT EXISTS (
        SELECT FROM pg_opclass o JOIN pg_amop a ON a.amopfamily = o.opcfamily AND a.amopstrategy = 3 AND a.amoppurpose = 's'
        WHERE o.oid = ANY (x.indclass) AND a.amopopr = e.pf AND a.amopopr = e.pp AND a.amopopr = e.ff))
UNION ALL
SELECT 'KMS453', CASE c.relkind WHEN 'r' THEN 'table ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'S' THEN 'sequence ' ELSE 'index ' END || c.relname, f.says, NULL
FROM pg_class c CROSS JOIN LATERAL (VALUES
    ('relhastriggers is false: its triggers do not fire', c.relhastriggers OR NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)),
    ('relhasrules is false: its rules do not apply', c.relhasrules OR NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)),
    ('relhasindex is false: its indexes, those of keys included, are not maintained', c.relhasindex OR NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid)),
    ('relchecks is not the number of its CHECK constraints: others do not apply',
     c.relchecks = (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')),
    ('relnatts is not the number of its columns', c.relnatts = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)),
    ('reltype is not the type of its rows', c.relkind NOT IN ('r', 'v', 'm') OR EXISTS (SELECT FROM pg_type t WHERE (t.oid, t.typrelid) = (c.reltype, c.oid))),
    ('relispartition is true', NOT c.relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)),
    -- A column that is stored out of line, of a length without a limit.
    ('reltoastrelid is not its TOAST table with an index that is maintained: larger values are refused, or lost',
     c.relkind NOT IN ('r', 'm') OR EXISTS (SELECT FROM pg_class t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
                                            WHERE t.oid = c.reltoastrelid AND t.relkind = 't' AND t.relname = 'pg_toast_' || c.oid::text
                                              AND t.relpersistence = c.relpersistence AND i.relpersistence = c.relpersistence
                                              AND t.reltablespace = c.reltablespace AND i.reltablespace = c.reltablespace
                                              AND t.relam = c.relam AND t.relnatts = 3 AND t.relhasindex AND NOT t.relisshared AND t.relispopulated AND t.relrewrite = 0
                                              AND 3 = (SELECT count(*) FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                                                       WHERE a.attrelid = t.oid AND NOT a.attisdropped
                                                         AND (a.attnum, a.atttypid) IN ((1, 'oid'::regtype), (2, 'integer'::regtype), (3, 'bytea'::regtype))
                                                         AND coalesce(to_jsonb(a) ->> 'attcacheoff', '-1') = '-1'
                                                         AND (a.attlen, a.attbyval, a.attalign) = (y.typlen, y.typbyval, y.typalign))
                                              AND x.indisvalid AND x.indisready AND x.indislive AND x.indisunique)
     OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attlen = -1
                      AND a.atttypmod = -1 AND a.attstorage <> 'p' AND a.attgenerated <> 'v')),
    ('no tablespace has the number reltablespace: every statement fails', c.relkind = 'v' OR c.reltablespace = 0 OR EXISTS (SELECT FROM pg_tablespace s WHERE s.oid = c.reltablespace)),
    ('an index or the TOAST table has another owner, who may drop it', c.relkind NOT IN ('r', 'm') OR NOT EXISTS (
        SELECT FROM pg_class d WHERE d.relowner <> c.relowner
           AND (d.oid = c.reltoastrelid OR d.oid IN (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = c.oid)))),
    ('it has a rule, so that others read another sequence', c.relkind <> 'S' OR NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)),
    ('relispopulated is false: every statement fails', c.relispopulated OR c.relkind = 'm'),
    ('relpersistence is not that of its table: a crash empties it, or takes from it', NOT EXISTS (
        SELECT FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid WHERE x.indexrelid = c.oid AND t.relpersistence <> c.relpersistence)),
    ('relrewrite is set', c.relrewrite = 0), ('relisshared is true', NOT c.relisshared)
) AS f (says, holds)
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND NOT f.holds
UNION ALL
SELECT 'KMS453', 'column ' || c.relname || '.' || a.attname, f.says, NULL
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid CROSS JOIN LATERAL (VALUES
    ('atthasdef is false: its default does not apply', a.atthasdef = EXISTS (SELECT FROM pg_attrdef d WHERE (d.adrelid, d.adnum) = (c.oid, a.attnum))),
    ('attgenerated is set, and it has no expression: a value for it is refused',
     a.attgenerated = '' OR EXISTS (SELECT FROM pg_attrdef d WHERE (d.adrelid, d.adnum) = (c.oid, a.attnum))),
    ('attcollation is not that of its type: it is compared by another one', c.relkind = 'r' OR a.attcollation = t.typcollation),
    -- Before 18 the server reads the column there.
    ('attcacheoff is set: other bytes of a row are read', coalesce(to_jsonb(a) ->> 'attcacheoff', '-1') = '-1'),
    ('attlen, attbyval or attalign is not that of its type', (a.attlen, a.attbyval, a.attalign) = (t.typlen, t.typbyval, t.typalign))
) AS f (says, holds)
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'v', 'm') AND NOT f.holds
UNION ALL
SELECT 'KMS453', 'index ' || i.relname, f.says, NULL
FROM pg_class c JOIN pg_index x ON x.indrelid IN (c.oid, c.reltoastrelid) JOIN pg_class i ON i.oid = x.indexrelid CROSS JOIN LATERAL (VALUES
    ('indisexclusion is not that of its constraint', x.indisexclusion = EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype = 'x')),
    ('indnatts or indnkeyatts is not the number of its columns',
     (x.indnatts, x.indnatts) = (cardinality(x.indkey::int2[]), (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = i.oid AND a.attnum > 0))
     AND (x.indnkeyatts, x.indnkeyatts, x.indnkeyatts)
         = (cardinality(x.indclass::oid[]), cardinality(x.indcollation::oid[]), cardinality(x.indoption::int2[]))),
    -- Of a B-tree; other access methods store other types.
    ('its columns are not of the type of those of its table: it is read wrongly', NOT EXISTS (
        SELECT FROM pg_attribute a LEFT JOIN pg_type t ON t.oid = a.atttypid
               LEFT JOIN pg_attribute h ON (h.attrelid, h.attnum) = (x.indrelid, x.indkey[a.attnum - 1]) LEFT JOIN pg_opclass o ON o.oid = x.indclass[a.attnum - 1]
        WHERE a.attrelid = i.oid AND a.attnum > 0 AND (
            a.attisdropped OR (a.attlen, a.attbyval, a.attalign) IS DISTINCT FROM (t.typlen, t.typbyval, t.typalign)
            OR to_jsonb(a) ->> 'attcacheoff' <> '-1'
            OR i.relam = 403 AND coalesce(o.opckeytype, 0) = 0 AND a.atttypid <> h.atttypid)))
) AS f (says, holds)
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND NOT f.holds
UNION ALL
SELECT 'KMS453', 'constraint ' || c.relname || '.' || k.conname, 'its index is not that of its columns', NULL
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f') LEFT JOIN pg_index x ON x.indexrelid = k.conindid
CROSS JOIN LATERAL (SELECT array_agg(n.attnum ORDER BY n.place) AS columns FROM unnest(x.indkey) WITH ORDINALITY n (attnum, place) WHERE n.place <= x.indnkeyatts) i
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND (
    x.indrelid IS DISTINCT FROM CASE k.contype WHEN 'f' THEN k.confrelid ELSE c.oid END OR NOT x.indisunique OR x.indpred IS NOT NULL
    OR k.contype <> 'f' AND k.conkey <> i.columns OR k.contype = 'f' AND NOT (k.confkey @> i.columns AND k.confkey <@ i.columns))
UNION ALL
SELECT 'KMS453', 'constraint ' || c.relname || '.' || k.conname, f.says, NULL
FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid LEFT JOIN pg_class o ON o.oid = k.confrelid CROSS JOIN LATERAL (VALUES
    ('conparentid is set, but it is not of a partition: pg_dump leaves it out', k.conparentid = 0 OR c.relispartition OR coalesce(o.relispartition, false)),
    ('conperiod is true, but it has one column', k.contype <> 'f' OR cardinality(k.conkey) > 1 OR to_jsonb(k) ->> 'conperiod' IS DISTINCT FROM 'true')
) AS f (says, holds)
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND NOT f.holds
UNION ALL
-- A call is resolved and made by these columns; the definition is printed from others.
SELECT 'KMS453', 'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', f.says, NULL
FROM pg_proc p CROSS JOIN LATERAL (VALUES
    ('pronargs is not the number of its arguments: calls fail', p.pronargs = cardinality(p.proargtypes::oid[])),
    ('pronargdefaults is not the number of its defaults', (p.pronargdefaults = 0) = (p.proargdefaults IS NULL)),
    ('provariadic is not the type of its last argument', (p.provariadic <> 0) = coalesce('v' = ANY (p.proargmodes), false)),
    ('prorettype is not the type of what it returns', (
        SELECT CASE count(*) WHEN 0 THEN true WHEN 1 THEN min(a.type) = p.prorettype ELSE p.prorettype = 'record'::regtype END
        FROM unnest(p.proallargtypes, p.proargmodes) a (type, mode) WHERE a.mode IN ('o', 'b', 't'))),
    ('protrftypes is set', p.protrftypes IS NULL)
) AS f (says, holds)
WHERE p.oid = ANY (%(ours)s) AND p.pronamespace = %(schema)s::regnamespace AND NOT f.holds
UNION ALL
SELECT 'KMS453', 'view ' || c.relname, 'its rule is not that of a view', NULL
FROM pg_class c JOIN pg_rewrite r ON r.ev_class = c.oid
WHERE c.oid = ANY (%(ours)s) AND c.relnamespace = %(schema)s::regnamespace AND r.rulename = '_RETURN'
  AND (r.ev_type <> '1' OR NOT r.is_instead OR r.ev_qual::text <> '<>')
