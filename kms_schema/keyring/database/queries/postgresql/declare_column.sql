-- Adds a column to those of a key. Two processes at once add it once, and no row is locked where it is known.
UPDATE {schema}.key_masters
SET encrypted_columns =
    coalesce(encrypted_columns, CAST('[]' AS jsonb)) OPERATOR(pg_catalog.||) CAST(:added AS jsonb)
WHERE
    key_id = :key
    AND NOT coalesce(encrypted_columns, CAST('[]' AS jsonb)) OPERATOR(pg_catalog.@>) CAST(:added AS jsonb)
