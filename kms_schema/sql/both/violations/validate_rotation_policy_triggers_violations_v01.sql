-- Policies without any trigger of rotation.
SELECT
    'rotation_policies' AS table_name,
    CAST(id AS text) AS row_id,
    policy_name AS row_name,
    'has nothing that makes a key due: no interval, age, operations, volume or compliance' AS problem
FROM {schema}.rotation_policies
WHERE coalesce(rotation_interval_days, max_key_age_days, max_operations, max_data_volume_mb) IS NULL
    AND NOT rotate_on_compliance_requirement
