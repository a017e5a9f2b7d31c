SET LOCAL lock_timeout = '{lock_timeout}';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

-- One run at a time, and not during a migration.
DO $kms$ BEGIN PERFORM pg_advisory_xact_lock({lock_key}); END $kms$;

-- All objects of the newest revision must exist: a missing one would look like a renamed one.
DO $kms$
DECLARE
    missing text;
BEGIN
    SELECT array_to_string((array_agg(name ORDER BY name))[1:3], ', ')
        || CASE WHEN count(*) > 3 THEN format(' and %s more', count(*) - 3) ELSE '' END INTO missing FROM (
        SELECT name FROM unnest({relations}) AS name WHERE to_regclass(format('%I.%I', {schema_name}, name)) IS NULL
        UNION ALL
        SELECT name FROM unnest({functions}) AS name WHERE to_regproc(format('%I.%I', {schema_name}, name)) IS NULL
    ) AS gone;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('schema %I has no %s', {schema_name}, missing),
            HINT = 'run kms-schema upgrade first';
    END IF;
END $kms$;

-- The owner of an existing schema of this name could change the functions.
DO $kms$
DECLARE
    other text;
BEGIN
    SELECT coalesce(
        (SELECT 'belongs to ' || quote_ident(o.rolname) FROM pg_roles o
         WHERE o.oid = n.nspowner AND NOT o.rolsuper AND o.rolname <> current_user),
        (SELECT 'has ' || pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d LEFT JOIN pg_proc f ON f.oid = d.objid
         WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
             AND (f.proname IS NULL OR f.proname <> ALL ({own_functions})) LIMIT 1)
    ) INTO other
    FROM pg_namespace n WHERE n.nspname = {hardening_name};
    IF other IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('schema %I %s', {hardening_name}, other),
            HINT = 'The functions of the event triggers are created in a schema of this name: drop or rename the existing one.';
    END IF;
END $kms$;

-- The state before.
DO $kms$ BEGIN PERFORM set_config('kms.hardening_before', ({state})::text, true); END $kms$;

{remove}
CREATE SCHEMA {hardening};
{create}

{entry}
