-- PostgreSQL has a CHECK; SQLite has triggers, because a time may be filled in after the CHECKs.
SELECT
    'key_masters' AS table_name,
    id AS row_id,
    key_id AS row_name,
    'is {status} and has no {time}' AS problem
FROM {schema}.key_masters
WHERE status = '{status}' AND {time} IS NULL
