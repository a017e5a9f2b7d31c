-- REFRESH MATERIALIZED VIEW CONCURRENTLY matches old rows and new ones by a unique index over all rows.
CREATE UNIQUE INDEX uq_key_management_dashboard ON {schema}.key_management_dashboard (row_key);
