DO $$
BEGIN
    LOCK TABLE ONLY {schema}.key_audit_seals IN SHARE ROW EXCLUSIVE MODE;
END
$$
