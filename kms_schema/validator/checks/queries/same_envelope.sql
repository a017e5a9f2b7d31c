WITH twice (envelope) AS (
    SELECT envelope FROM (
        SELECT encrypted_key_data AS envelope FROM {schema}.key_versions WHERE encrypted_key_data IS NOT NULL
        UNION ALL
        SELECT authentication_config FROM {schema}.hsm_configurations WHERE authentication_config IS NOT NULL
    ) AS stored GROUP BY envelope HAVING count(*) > 1
),
alike (envelope, name) AS (
    SELECT version.encrypted_key_data, {part(version_name)}
    FROM {schema}.key_versions AS version LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
    WHERE version.encrypted_key_data IN (SELECT envelope FROM twice)
    UNION ALL
    SELECT configuration.authentication_config, {part(configuration_name)}
    FROM {schema}.hsm_configurations AS configuration
    WHERE configuration.authentication_config IN (SELECT envelope FROM twice)
)
SELECT name, 'has the same envelope as ' || {part(other)} AS problem
FROM (SELECT name, min(name) OVER same AS first_name, max(name) OVER same AS last_name, count(*) OVER same AS alike
    FROM alike WINDOW same AS (PARTITION BY envelope)) AS named
