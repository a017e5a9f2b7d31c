DO $$
DECLARE
    old record;
    new record;
    held record;
BEGIN
    SELECT pg_catalog.pg_get_userbyid({owner}) AS owner, {acl} AS acl INTO old
    FROM {catalog} WHERE oid = '{old}'::{regtype};
    SELECT pg_catalog.pg_get_userbyid({owner}) AS owner, {acl} AS acl INTO new
    FROM {catalog} WHERE oid = '{new}'::{regtype};
    IF new.owner <> old.owner THEN
        EXECUTE pg_catalog.format('ALTER {kind} {new} OWNER TO %I', old.owner);
    END IF;
    FOR held IN
        SELECT privilege_type, grantee, pg_catalog.pg_get_userbyid(grantee) AS role
        FROM pg_catalog.aclexplode(new.acl) WHERE grantee <> old.owner::regrole
    LOOP
        EXECUTE pg_catalog.format(
            'REVOKE %s ON {object} {new} FROM %s', held.privilege_type,
            CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(held.role) END
        );
    END LOOP;
    FOR held IN
        SELECT privilege_type, is_grantable, grantee, pg_catalog.pg_get_userbyid(grantee) AS role
        FROM pg_catalog.aclexplode(old.acl) WHERE grantee <> old.owner::regrole
    LOOP
        EXECUTE pg_catalog.format(
            'GRANT %s ON {object} {new} TO %s%s', held.privilege_type,
            CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(held.role) END,
            CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        );
    END LOOP;
END
$$
