
-- Ownership needs an ACCESS EXCLUSIVE lock: change it only for objects of another role. The session must be a member of
-- the new owner; the creator of the role may grant this for the duration.
DO $kms$
DECLARE
    made text;
BEGIN
    PERFORM set_config('kms.rights_lent', CASE
        WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN 'no'
        WHEN pg_has_role({owner}, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END)
            THEN 'no'
        ELSE 'yes'
    END, true);
    IF current_setting('kms.rights_lent') = 'yes' THEN
        EXECUTE format('GRANT %I TO %I', {owner}, current_user);
    END IF;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', {schema_name}, {owner});
    FOR made IN
        SELECT 'TABLE ' || oid::regclass FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident({schema_name})) AND relname = ANY ({relations})
            AND pg_get_userbyid(relowner) <> {owner}
        UNION ALL
        SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc
        WHERE pronamespace = to_regnamespace(quote_ident({schema_name})) AND proname = ANY ({functions})
            AND pg_get_userbyid(proowner) <> {owner} AND proname || '()' <> '{removal}'
    LOOP
        EXECUTE format('ALTER %s OWNER TO %I', made, {owner});
    END LOOP;
END $kms$;
