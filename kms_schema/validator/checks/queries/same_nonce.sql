-- A whole envelope that occurs twice is a copy, which same_envelope finds.
WITH twice (nonce) AS (
    SELECT substr(envelope, 2, 12)
    FROM (SELECT encrypted_key_data AS envelope FROM {schema}.key_versions
        UNION ALL SELECT authentication_config FROM {schema}.hsm_configurations) AS stored
    WHERE substr(envelope, 1, 1) = {bytes(01)} GROUP BY substr(envelope, 2, 12) HAVING count(*) > 1
),
alike (wrapper, nonce, envelope, name) AS (
    SELECT coalesce(version.wrapping_key_ref, CAST(version.wrapped_by_version_id AS text)),
        substr(version.encrypted_key_data, 2, 12), version.encrypted_key_data, {part(version_name)}
    FROM {schema}.key_versions AS version LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
    WHERE substr(version.encrypted_key_data, 1, 1) = {bytes(01)}
        AND substr(version.encrypted_key_data, 2, 12) IN (SELECT nonce FROM twice)
    UNION ALL
    SELECT configuration.wrapping_key_ref, substr(configuration.authentication_config, 2, 12),
        configuration.authentication_config, {part(configuration_name)}
    FROM {schema}.hsm_configurations AS configuration
    WHERE substr(configuration.authentication_config, 1, 1) = {bytes(01)}
        AND substr(configuration.authentication_config, 2, 12) IN (SELECT nonce FROM twice)
)
SELECT name, 'has the same nonce under the same wrapper as ' || {part(other)} AS problem
FROM (SELECT name, min(name) OVER same AS first_name, max(name) OVER same AS last_name, count(*) OVER same AS alike
    FROM alike
    WHERE (wrapper, nonce) IN
        (SELECT wrapper, nonce FROM alike GROUP BY wrapper, nonce HAVING count(DISTINCT envelope) > 1)
    WINDOW same AS (PARTITION BY wrapper, nonce)) AS named
