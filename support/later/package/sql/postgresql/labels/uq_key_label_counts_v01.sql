-- REFRESH MATERIALIZED VIEW CONCURRENTLY needs it.
CREATE UNIQUE INDEX uq_key_label_counts ON {schema}.key_label_counts (label);
