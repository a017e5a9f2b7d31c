DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(
        1802335059, '{schema}.key_audit_seals'::regclass::oid::bigint::bit(32)::integer
    );
END
$$
