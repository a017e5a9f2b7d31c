SELECT coalesce(grantee.rolname, 'PUBLIC') AS "role", grantee.rolcanlogin AS can_log_in,
    string_agg(DISTINCT granted.privilege_type, ', ' ORDER BY granted.privilege_type) AS privileges,
    count(DISTINCT relation.oid) AS relations,
    (SELECT string_agg(member.rolname, ', ' ORDER BY member.rolname)
        FROM pg_catalog.pg_auth_members AS membership
        JOIN pg_catalog.pg_roles AS member ON member.oid = membership.member
        WHERE membership.roleid = grantee.oid) AS members
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS place ON place.oid = relation.relnamespace
CROSS JOIN LATERAL (
    SELECT given.grantee, given.privilege_type
    FROM pg_catalog.aclexplode(coalesce(relation.relacl, pg_catalog.acldefault('r', relation.relowner))) AS given
    UNION ALL
    SELECT given.grantee, given.privilege_type || ' of columns'
    FROM pg_catalog.pg_attribute AS attribute CROSS JOIN LATERAL pg_catalog.aclexplode(attribute.attacl) AS given
    WHERE attribute.attrelid = relation.oid AND attribute.attacl IS NOT NULL AND NOT attribute.attisdropped
) AS granted
LEFT JOIN pg_catalog.pg_roles AS grantee ON grantee.oid = granted.grantee
WHERE place.nspname = {schema_name} AND relation.relname IN ({relations})
GROUP BY grantee.oid, grantee.rolname, grantee.rolcanlogin ORDER BY 1
