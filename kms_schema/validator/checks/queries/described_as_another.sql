-- A CHECK refuses a version without encryption_metadata.
SELECT {part(version_name)} AS name, 'is an ' || by_byte || ' envelope by its first byte,'
    || ' and encryption_metadata names another ' || CASE WHEN other_format THEN 'format' ELSE 'algorithm' END
    AS problem
FROM (SELECT id, key_id, version_number, by_byte,
        ltrim(named_format, '0x') <> format_byte AS other_format,
        {upper(named_algorithm)} <> by_byte AS other_algorithm
    FROM (SELECT id, key_id, version_number,
            {json_text(encryption_metadata, format)} AS named_format,
            {json_text(encryption_metadata, algorithm)} AS named_algorithm,
            CASE substr(encrypted_key_data, 1, 1)
                WHEN {bytes(01)} THEN '{gcm_format}' WHEN {bytes(02)} THEN '{kwp_format}' END
                AS format_byte,
            CASE substr(encrypted_key_data, 1, 1)
                WHEN {bytes(01)} THEN '{gcm_name}' WHEN {bytes(02)} THEN '{kwp_name}' END
                AS by_byte
        FROM {schema}.key_versions) AS described) AS version
LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE other_format OR other_algorithm
