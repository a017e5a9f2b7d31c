-- The direct dependents of each wrapping key: one row for each version of a key encryption key, even without
-- dependents, and one row for each external wrapping key in use. Destroyed versions do not depend on their wrapper.
-- Credentials without a wrapping key share one row in which both wrapper columns are null.
CREATE VIEW {schema}.key_wrapping_dependents AS
SELECT
    version.id AS wrapped_by_version_id,
    CAST(NULL AS varchar(255)) AS wrapping_key_ref,
    master.key_id,
    version.version_number,
    CASE
        WHEN version.destroyed_at IS NOT NULL THEN 'destroyed'
        WHEN version.deactivated_at IS NOT NULL THEN 'deactivated'
        WHEN version.activated_at IS NOT NULL THEN 'live'
        ELSE 'pending'
    END AS state,
    (
        SELECT count(*) FROM {schema}.key_versions AS dependent
        WHERE dependent.wrapped_by_version_id = version.id AND dependent.destroyed_at IS NULL
    ) AS dependent_versions,
    CAST(0 AS bigint) AS dependent_configurations
FROM {schema}.key_versions AS version
JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE master.key_type = 'kek'
UNION ALL
SELECT NULL, dependent.wrapping_key_ref, NULL, NULL, NULL, sum(dependent.version), sum(dependent.configuration)
FROM (
    SELECT wrapping_key_ref, 1 AS version, 0 AS configuration FROM {schema}.key_versions
    WHERE wrapping_key_ref IS NOT NULL AND destroyed_at IS NULL
    UNION ALL
    SELECT wrapping_key_ref, 0, 1 FROM {schema}.hsm_configurations
    WHERE authentication_config IS NOT NULL
) AS dependent
GROUP BY dependent.wrapping_key_ref
