-- REFRESH MATERIALIZED VIEW CONCURRENTLY matches old rows and new ones by a unique index over all rows.
CREATE UNIQUE INDEX uq_key_health_monitor ON {schema}.key_health_monitor (id);
