SET LOCAL lock_timeout = '{lock_timeout}';
SET LOCAL search_path = pg_catalog, pg_temp;
-- The policies are compared with pg_get_expr, which otherwise quotes each name.
SET LOCAL quote_all_identifiers = off;
SET LOCAL client_min_messages = warning;

-- One run at a time, and not during a migration.
DO $kms$ BEGIN PERFORM pg_advisory_xact_lock({lock_key}); END $kms$;

-- All objects of the newest revision must exist.
DO $kms$
DECLARE
    missing text;
BEGIN
    SELECT array_to_string((array_agg(name ORDER BY name))[1:3], ', ')
        || CASE WHEN count(*) > 3 THEN format(' and %s more', count(*) - 3) ELSE '' END INTO missing FROM unnest({relations}) AS name
    WHERE name <> 'alembic_version' AND to_regclass(format('%I.%I', {schema_name}, name)) IS NULL;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('schema %I has no %s', {schema_name}, missing),
            HINT = 'run kms-schema upgrade first';
    END IF;
END $kms$;

-- The roles. A role with LOGIN or other attributes belongs to somebody else.
DO $kms$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY {roles} LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        ELSIF EXISTS (
            SELECT FROM pg_roles WHERE rolname = name
                AND (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('role %I has LOGIN, or attributes that a group role must not have', name),
                HINT = 'ALTER ROLE … NOLOGIN, or choose another --prefix.';
        END IF;
    END LOOP;
END $kms$;

-- On a hardened database, the owner of the event triggers drops and recreates them within this transaction.
DO $kms$
DECLARE
    paused CONSTANT text[] := ARRAY(
        SELECT evtname FROM pg_event_trigger
        WHERE evtname = ANY ({event_triggers}) AND evtenabled = 'A' AND pg_has_role(evtowner, 'USAGE')
    );
    name text;
BEGIN
    FOREACH name IN ARRAY paused LOOP
        EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
    END LOOP;
    PERFORM set_config('kms.event_triggers_paused', paused::text, true);
END $kms$;

-- The privileges before.
DO $kms$ BEGIN PERFORM set_config('kms.privileges_before', ({observed})::text, true); END $kms$;

{grants}

-- Row-level security needs an ACCESS EXCLUSIVE lock: change it only where it differs.
DO $kms$
DECLARE
    wanted record;
    place regclass;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            {policies}
        ) AS policy (relation, name, command, roles, condition, checked)
    LOOP
        place := format('%I.%I', {schema_name}, wanted.relation)::regclass;
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_policy
            WHERE polrelid = place AND polname = wanted.name AND polpermissive
                AND polcmd = CASE wanted.command WHEN 'SELECT' THEN 'r' WHEN 'INSERT' THEN 'a' WHEN 'UPDATE' THEN 'w' WHEN 'DELETE' THEN 'd' END::"char"
                AND ARRAY(SELECT pg_get_userbyid(role)::text COLLATE "C" FROM unnest(polroles) AS role ORDER BY 1) = wanted.roles
                AND pg_get_expr(polqual, polrelid) IS NOT DISTINCT FROM wanted.condition
                AND pg_get_expr(polwithcheck, polrelid) IS NOT DISTINCT FROM wanted.checked
        );
        EXECUTE format('DROP POLICY IF EXISTS %I ON %s', wanted.name, place);
        EXECUTE format(
            'CREATE POLICY %I ON %s FOR %s TO %s', wanted.name, place, wanted.command,
            (SELECT string_agg(quote_ident(role), ', ') FROM unnest(wanted.roles) AS role)
        ) || coalesce(' USING (' || wanted.condition || ')', '') || coalesce(' WITH CHECK (' || wanted.checked || ')', '');
    END LOOP;
    FOR place IN
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident({schema_name})) AND relname = ANY ({protected}) AND NOT relrowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', place);
    END LOOP;
END $kms$;
{ownership}
-- CONNECT, TEMPORARY and USAGE: only the owner of the database or the schema can change them.
DO $kms$
DECLARE
    grantees CONSTANT text := (SELECT string_agg(quote_ident(name), ', ') FROM unnest({grantees}) AS name);
BEGIN
    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) THEN
        EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %s', current_database(), grantees);
        -- REFRESH … CONCURRENTLY creates a temporary table, as the owner of the view.
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), (
            SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(format('%I.key_health_monitor', {schema_name}))
        ));
    ELSE
        RAISE WARNING 'another role owns the database and has to run: '
            'REVOKE CREATE, TEMPORARY ON DATABASE % FROM PUBLIC;', quote_ident(current_database());
    END IF;
    IF (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = {schema_name}) THEN
        -- An application may have tables of its own in `public`: USAGE gives no access to them.
        EXECUTE format(
            'REVOKE %s ON SCHEMA %I FROM PUBLIC', CASE {schema_name} WHEN 'public' THEN 'CREATE' ELSE 'ALL' END, {schema_name}
        );
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', {schema_name}, grantees);
    ELSE
        RAISE WARNING 'another role owns the schema and has to run: '
            'REVOKE CREATE ON SCHEMA % FROM PUBLIC; GRANT USAGE ON SCHEMA % TO %;',
            quote_ident({schema_name}), quote_ident({schema_name}), grantees;
    END IF;
END $kms$;

-- A function owned by kms_remover removes expired entries. The session that changes its owner and its privileges must be
-- a member of that role; the creator of the role may grant this for the duration. The new owner needs CREATE on the schema
-- while the owner changes.
DO $kms$
DECLARE
    removal CONSTANT regprocedure := to_regprocedure(format('%I.{removal}', {schema_name}));
    grantees CONSTANT text := (SELECT string_agg(quote_ident(name), ', ') FROM unnest({grantees}) AS name);
    lent boolean := false;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND NOT pg_has_role(
        {remover}, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
    ) THEN
        EXECUTE format('GRANT %I TO %I', {remover}, current_user);
        lent := true;
    END IF;
    IF (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = removal) <> {remover} THEN
        EXECUTE format('GRANT CREATE ON SCHEMA %I TO %I', {schema_name}, {remover});
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', removal, {remover});
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM %I', {schema_name}, {remover});
    END IF;
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, %s', removal, grantees);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I, %I', removal, {remover}, {retention});
    IF lent THEN
        EXECUTE format('REVOKE %I FROM %I', {remover}, current_user);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    IF (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = removal) <> {remover} THEN
        RAISE WARNING 'expired entries cannot be removed yet: the creator of role %, or a superuser, has to run this as well',
            quote_ident({remover});
    END IF;
END $kms$;

-- A change is an entry of the audit log, in this transaction.
DO $kms$
DECLARE
    before CONSTANT jsonb := current_setting('kms.privileges_before')::jsonb;
    after CONSTANT jsonb := ({observed});
    granted CONSTANT jsonb := (SELECT coalesce(jsonb_agg(line), '[]') FROM jsonb_array_elements_text(after) AS line WHERE NOT before ? line);
    revoked CONSTANT jsonb := (SELECT coalesce(jsonb_agg(line), '[]') FROM jsonb_array_elements_text(before) AS line WHERE NOT after ? line);
BEGIN
    PERFORM set_config('kms.privileges_changed', jsonb_build_object(
        'granted', granted, 'revoked', revoked, 'unchanged', jsonb_array_length(after) - jsonb_array_length(granted)
    )::text, true);
    IF before <> after THEN
        INSERT INTO {schema}.key_audit_logs
            (event_type, event_category, event_description, user_id, security_level, additional_metadata)
        VALUES (
            'RIGHTS_CHANGED', 'SECURITY',
            format('privileges changed: %s granted, %s revoked', jsonb_array_length(granted), jsonb_array_length(revoked)),
            nullif(current_setting('kms.actor', true), ''), 'HIGH',
            jsonb_build_object('prefix', {prefix}, 'granted', granted, 'revoked', revoked)
        );
    END IF;
END $kms$;
{giving_back}
DO $kms$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY current_setting('kms.event_triggers_paused')::text[] LOOP
        EXECUTE format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', name);
    END LOOP;
END $kms$;
