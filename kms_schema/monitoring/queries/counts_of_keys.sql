-- Keys of a query by type, and the first of them. Text costs the driver of PostgreSQL less than UUIDs.
WITH found AS MATERIALIZED ({query})
SELECT key_type, about, CAST(NULL AS text) AS id, CAST(NULL AS varchar) AS key_id, count(*) AS keys,
    {extreme}(measure) AS measure
FROM found GROUP BY key_type, about{first_keys}
