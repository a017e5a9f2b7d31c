-- Lets one session seal at a time, until the end of its transaction. Returns false, without waiting, if another session
-- holds the lock. SECURITY DEFINER: below the owner only a role that may seal can hold a lock that conflicts with it,
-- while anybody with a connection could hold an advisory lock.
CREATE FUNCTION {schema}.lock_key_audit_seals() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE ONLY {schema}.key_audit_seals IN SHARE ROW EXCLUSIVE MODE NOWAIT;
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$
