SELECT count(*) AS seals, count(signature) AS signed_seals, min(seal_number) AS first_seal,
    max(seal_number) AS last_seal, min(sealed_at) AS first_sealed_at, max(sealed_at) AS last_sealed_at
FROM {schema}.key_audit_seals WHERE sealed_at >= {start} AND sealed_at < {end}
