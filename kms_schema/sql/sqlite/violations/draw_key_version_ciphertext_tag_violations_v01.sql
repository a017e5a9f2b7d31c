-- PostgreSQL has a CHECK; on SQLite a row has 0 until a trigger has drawn its tag, after the CHECKs.
SELECT
    'key_versions' AS table_name,
    id AS row_id,
    'version ' || version_number AS row_name,
    'has no ciphertext_tag' AS problem
FROM {schema}.key_versions
WHERE ciphertext_tag = 0
