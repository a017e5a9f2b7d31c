SELECT require_dual_auth, count(*) AS active_hsms
FROM {schema}.hsm_configurations WHERE is_active GROUP BY require_dual_auth ORDER BY require_dual_auth
