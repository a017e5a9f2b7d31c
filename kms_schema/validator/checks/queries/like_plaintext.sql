SELECT {part(version_name)} AS name, version.fault AS problem
FROM (SELECT id, key_id, version_number, fault
    FROM (SELECT id, key_id, version_number, {part(fault, encrypted_key_data)} AS fault
        FROM {schema}.key_versions) AS judged
    WHERE fault IS NOT NULL) AS version
LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
UNION ALL
SELECT {part(configuration_name)}, fault
FROM (SELECT id, configuration_name, {part(fault, authentication_config)} AS fault
    FROM {schema}.hsm_configurations) AS configuration
WHERE fault IS NOT NULL
