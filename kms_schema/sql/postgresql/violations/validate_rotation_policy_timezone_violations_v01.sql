-- Policies whose time zone is unknown to this server. PostgreSQL only: SQLite has no time zones.
SELECT
    'rotation_policies' AS table_name,
    CAST(policy.id AS text) AS row_id,
    policy.policy_name AS row_name,
    'is in the time zone ''' || policy.timezone || ''', which this server does not know' AS problem
FROM {schema}.rotation_policies AS policy
LEFT JOIN pg_catalog.pg_timezone_names AS zone ON zone.name = policy.timezone
WHERE policy.timezone <> 'UTC' AND zone.name IS NULL
