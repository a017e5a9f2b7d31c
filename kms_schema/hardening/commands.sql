
-- Fires at the end of each command, after the catalog has changed: an error rolls it back. A command reports its object; a rename
-- is detected by the missing name of a relation of the same kind.
DECLARE
    relations CONSTANT text[] := {relations};
    functions CONSTANT text[] := {functions};
    refused record;
BEGIN
    SELECT c.command_tag, c.object_identity INTO refused
    FROM pg_event_trigger_ddl_commands() c
    LEFT JOIN pg_namespace ours ON ours.nspname = {schema_name}
    WHERE c.command_tag NOT IN ('REINDEX', 'REFRESH MATERIALIZED VIEW') AND CASE c.classid
        WHEN 'pg_class'::regclass THEN
            -- A protected relation, an index on one, a table that inherits from one, or one that attaches one as a partition.
            EXISTS (
                SELECT FROM (
                    SELECT c.objid
                    UNION ALL SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = c.objid
                    UNION ALL SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = c.objid
                    UNION ALL SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = c.objid
                ) AS about (relation)
                -- OFFSET 0: look up the oid, not all protected names, in a catalog that may be large.
                CROSS JOIN LATERAL (SELECT * FROM pg_class WHERE oid = about.relation OFFSET 0) r
                WHERE r.relnamespace = ours.oid AND r.relname = ANY (relations)
            )
            OR (c.command_tag LIKE 'ALTER %' AND EXISTS (
                SELECT FROM unnest({kinds}, relations) AS wanted (kind, name)
                WHERE wanted.kind = (SELECT r.relkind::text FROM pg_class r WHERE r.oid = c.objid)
                    AND to_regclass(format('%I.%I', {schema_name}, wanted.name)) IS NULL
            ))
        WHEN 'pg_proc'::regclass THEN
            EXISTS (SELECT FROM pg_proc f WHERE f.oid = c.objid AND f.pronamespace = ours.oid AND f.proname = ANY (functions))
            OR (c.command_tag LIKE 'ALTER %' AND EXISTS (
                SELECT FROM unnest(functions) AS name
                WHERE NOT EXISTS (SELECT FROM pg_proc f WHERE f.proname = name AND f.pronamespace = ours.oid)
            ))
        WHEN 'pg_namespace'::regclass THEN c.objid = ours.oid OR ours.oid IS NULL
        WHEN 'pg_extension'::regclass THEN
            EXISTS (
                SELECT FROM pg_depend d JOIN pg_class r ON r.oid = d.objid
                WHERE (d.refclassid, d.refobjid, d.classid, d.deptype) = ('pg_extension'::regclass, c.objid, 'pg_class'::regclass, 'e')
                    AND r.relnamespace = ours.oid AND r.relname = ANY (relations)
            )
            OR EXISTS (
                SELECT FROM pg_depend d JOIN pg_proc f ON f.oid = d.objid
                WHERE (d.refclassid, d.refobjid, d.classid, d.deptype) = ('pg_extension'::regclass, c.objid, 'pg_proc'::regclass, 'e')
                    AND f.pronamespace = ours.oid AND f.proname = ANY (functions)
            )
        ELSE
            -- An object on a protected relation: a trigger, a rule, a policy, a constraint, statistics.
            EXISTS (
                SELECT FROM pg_class r
                WHERE r.relnamespace = ours.oid AND r.relname = ANY (relations) AND r.oid = CASE c.classid
                    WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger WHERE oid = c.objid)
                    WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = c.objid)
                    WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint WHERE oid = c.objid)
                    WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = c.objid)
                    WHEN 'pg_statistic_ext'::regclass THEN (SELECT stxrelid FROM pg_statistic_ext WHERE oid = c.objid)
                END
            )
        END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation', SCHEMA = {schema_name}, CONSTRAINT = {name},
            MESSAGE = format('%s: %s of %s is refused', {name}, refused.command_tag, refused.object_identity),
            HINT = {hint};
    END IF;
END
