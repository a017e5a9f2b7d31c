SELECT {month(sealed_at)} AS "month", count(*) AS seals, count(signature) AS signed_seals
FROM {schema}.key_audit_seals WHERE sealed_at >= {start} AND sealed_at < {end} GROUP BY 1 ORDER BY 1
