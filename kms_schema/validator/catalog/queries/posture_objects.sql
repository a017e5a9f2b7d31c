-- The database, the schema, and objects that reach into it.
SELECT 'KMS403', 'subscription ' || quote_ident(s.subname),
       'writes into ' || string_agg(quote_ident(c.relname), ', ' ORDER BY c.relname), format('ALTER SUBSCRIPTION %%I DISABLE;', s.subname)
FROM here
JOIN pg_subscription s ON s.subdbid = here.oid AND s.subenabled
-- Everybody may read this view; the oid of a subscription, before 14, only a superuser.
JOIN (SELECT DISTINCT v.subid, v.subname FROM pg_stat_subscription v) v ON v.subname = s.subname
JOIN pg_subscription_rel t ON t.srsubid = v.subid
JOIN pg_class c ON c.oid = t.srrelid
WHERE c.oid = ANY (%(ours)s::oid[])
GROUP BY s.subname
UNION ALL
SELECT 'KMS413', 'schema ' || quote_ident(n.nspname), 'everyone may create objects in it', format('REVOKE CREATE ON SCHEMA %%I FROM PUBLIC;', n.nspname)
FROM pg_namespace n
WHERE n.nspname = %(schema)s
  AND EXISTS (SELECT FROM aclexplode(n.nspacl) a WHERE a.grantee = 0 AND a.privilege_type = 'CREATE')
UNION ALL
SELECT 'KMS415', 'schema ' || quote_ident(n.nspname), 'role ' || quote_ident(r.rolname) || ' may create objects in it',
       format('REVOKE CREATE ON SCHEMA %%I FROM %%I;', n.nspname, r.rolname)
FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = %(schema)s AND a.privilege_type = 'CREATE' AND a.grantee <> ALL (ARRAY[n.nspowner, (SELECT oid FROM owner)])
UNION ALL
-- Before 15 `public` belongs to a superuser; since then to the owner of the database: then it is one finding.
SELECT 'KMS428', 'schema ' || quote_ident(n.nspname),
       CASE WHEN o.oid = r.oid THEN 'belongs to role ' ELSE 'belongs to the owner of the database, role ' END || quote_ident(r.rolname),
       CASE WHEN o.oid = r.oid THEN format('ALTER SCHEMA %%I OWNER TO %%I;', n.nspname, owner.rolname)
            ELSE format('ALTER DATABASE %%I OWNER TO %%I;', here.datname, owner.rolname) END
FROM pg_namespace n JOIN pg_roles o ON o.oid = n.nspowner CROSS JOIN owner CROSS JOIN here
JOIN pg_roles r ON r.oid = CASE o.rolname WHEN 'pg_database_owner' THEN here.datdba ELSE o.oid END
WHERE n.nspname = %(schema)s AND r.oid <> owner.oid AND NOT r.rolsuper
  AND r.oid NOT IN (SELECT h.role FROM holder h WHERE h.code = 'KMS412')
UNION ALL
SELECT 'KMS431', 'database ' || quote_ident(here.datname), 'belongs to role ' || quote_ident(r.rolname),
       format('ALTER DATABASE %%I OWNER TO %%I;', here.datname, owner.rolname)
FROM here JOIN pg_roles r ON r.oid = here.datdba CROSS JOIN owner
WHERE r.oid <> owner.oid AND NOT r.rolsuper AND r.oid NOT IN (SELECT h.role FROM holder h WHERE h.code = 'KMS412')
  AND NOT EXISTS (SELECT FROM pg_namespace n JOIN pg_roles o ON o.oid = n.nspowner
                  WHERE n.nspname = %(schema)s AND o.rolname = 'pg_database_owner')
UNION ALL
-- The sequence of the audit log, its name in SQL, and the query of the last numbers, for `audit_sequence`. The owner's members
-- alone may read them: for others that query would fail.
SELECT 'sequence', format('%%I.%%I', %(schema)s, s.relname),
       format('SELECT pg_catalog.max(sequence) FROM ONLY %%I.key_audit_logs', %(schema)s)
       || coalesce(' UNION ALL (SELECT last_sequence FROM ONLY ' || to_regclass(format('%%I.key_audit_seals', %(schema)s))::text
                   || ' ORDER BY seal_number DESC LIMIT 1)', ''),
       format('%%I.key_audit_logs', %(schema)s)
FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace CROSS JOIN owner
WHERE n.nspname = %(schema)s AND s.relname = 'key_audit_logs_sequence_seq' AND s.relkind = 'S' AND s.relowner = owner.oid
  AND pg_has_role(owner.oid, 'USAGE')
  AND EXISTS (SELECT FROM pg_class c WHERE c.oid = ANY (%(ours)s::oid[]) AND c.relname = 'key_audit_logs' AND c.relowner = owner.oid)
UNION ALL
SELECT 'KMS417', 'event trigger ' || quote_ident(evtname), 'runs at ' || evtevent, NULL FROM pg_event_trigger
WHERE evtenabled <> 'D' AND evtname <> ALL (%(event_triggers)s)
UNION ALL
SELECT 'KMS418', 'publication ' || quote_ident(p.pubname), 'publishes ' || string_agg(quote_ident(p.tablename), ', ' ORDER BY p.tablename), NULL
FROM pg_publication_tables p
JOIN pg_class c ON c.relname = p.tablename AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = p.schemaname)
JOIN owner ON owner.oid = c.relowner
WHERE p.schemaname = %(schema)s GROUP BY p.pubname
UNION ALL
-- A view reads and writes with the privileges of its owner, also through other views.
SELECT 'KMS429', 'view ' || v.oid::regclass::text,
       string_agg(DISTINCT coalesce(quote_ident(r.rolname), 'PUBLIC') || ': ' || a.privilege_type, ', '),
       string_agg(DISTINCT format('REVOKE ALL ON %%s FROM %%s;', v.oid::regclass, coalesce(quote_ident(r.rolname), 'PUBLIC')), ' ')
FROM (WITH RECURSIVE above AS (
          SELECT c.oid FROM pg_class c WHERE c.oid = ANY (%(ours)s::oid[]) AND c.relkind IN ('r', 'p')
          UNION
          SELECT w.ev_class FROM above
          JOIN pg_depend d ON (d.refclassid, d.refobjid, d.classid) = ('pg_class'::regclass, above.oid, 'pg_rewrite'::regclass)
          JOIN pg_rewrite w ON w.oid = d.objid
      ) SELECT c.* FROM above JOIN pg_class c ON c.oid = above.oid) v
JOIN owner ON owner.oid = v.relowner
CROSS JOIN LATERAL (
    SELECT x.* FROM aclexplode(v.relacl) x
    UNION ALL
    SELECT x.* FROM pg_attribute c CROSS JOIN aclexplode(c.attacl) x WHERE c.attrelid = v.oid AND NOT c.attisdropped
) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE v.relkind IN ('v', 'm') AND v.oid <> ALL (%(ours)s::oid[]) AND a.grantee <> owner.oid AND r.rolsuper IS NOT true
  AND coalesce(array_to_string(v.reloptions, ','), '') !~ 'security_invoker=(true|on|1|yes)'
GROUP BY v.oid
UNION ALL
SELECT 'KMS436', 'function ' || f.oid::regprocedure::text, 'SECURITY DEFINER, and others may call it', NULL
FROM pg_proc f JOIN owner ON owner.oid = f.proowner
WHERE f.prosecdef AND f.oid <> ALL (%(ours)s::oid[])
  AND EXISTS (SELECT FROM aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a WHERE a.grantee <> f.proowner)
  AND f.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = ('pg_proc'::regclass, f.oid, 'e'))
UNION ALL
SELECT 'KMS437', i.type || ' ' || i.identity, l.provider || ': ' || l.label, NULL
FROM pg_seclabel l CROSS JOIN pg_identify_object(l.classoid, l.objoid, l.objsubid) i
WHERE l.classoid IN ('pg_class'::regclass, 'pg_proc'::regclass) AND l.objoid = ANY (%(ours)s::oid[])
