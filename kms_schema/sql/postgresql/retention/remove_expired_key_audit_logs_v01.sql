-- Remove the oldest entries that a tombstone is for, at most 10 000, and return how many were there; 0 when all are gone.
-- kms-schema roles --apply gives it to kms_retention; prevent_key_audit_log_delete lets that role alone remove anything,
-- and looks at each entry.
CREATE FUNCTION {schema}.remove_expired_key_audit_logs() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    until bigint;
    removed bigint;
BEGIN
    IF current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = '{schema}.key_audit_logs'::regclass) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'remove_expired_key_audit_logs: it belongs to the owner of the trail, who may remove nothing',
            HINT = 'Run kms-schema roles --apply, which gives it to kms_retention.';
    END IF;
    SELECT max(batch.sequence) INTO until FROM (
        SELECT entry.sequence FROM ONLY {schema}.key_audit_logs AS entry
        WHERE entry.sequence <= (SELECT max(tombstone.last_sequence) FROM {schema}.key_audit_tombstones AS tombstone)
        ORDER BY entry.sequence LIMIT 10000
    ) AS batch;
    DELETE FROM ONLY {schema}.key_audit_logs WHERE sequence <= until;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$
