SELECT count(*) AS active_hsms FROM {schema}.hsm_configurations WHERE is_active
