-- The last seal that covers no entry of the period.
SELECT max(seal_number) AS seal_number FROM {schema}.key_audit_seals WHERE sealed_at < {start}
