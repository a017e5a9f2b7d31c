-- Notifies the channel kms_keys of a change after which processes must not use what they know of a key: of its status, its
-- live version, or a destruction. The payload is its key_id. Every role that can connect may LISTEN, and may fill the
-- queue, after which every COMMIT with a notice fails. So nothing is sent while the queue is over a quarter full, and
-- listeners rely on what they read. The triggers are deferred: that is decided by COMMIT, just before the server adds the
-- notices to the queue. A transaction with a notice cannot be prepared (PREPARE TRANSACTION): it does
-- SET LOCAL kms.notices = off.
--
-- SECURITY DEFINER: a role that may change versions needs no privileges on keys.
CREATE FUNCTION {schema}.notify_key_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed text;
BEGIN
    IF current_setting('kms.notices', true) IS DISTINCT FROM 'off' AND pg_notification_queue_usage() <= 0.25 THEN
        IF TG_TABLE_NAME = 'key_masters' THEN
            changed := CAST(NEW.key_id AS text);
        ELSE
            SELECT CAST(key_id AS text) INTO changed
            FROM {schema}.key_masters WHERE id = CAST(CAST(NEW.key_id AS text) AS uuid);
        END IF;
        PERFORM pg_notify('kms_keys', changed);
    END IF;
    RETURN NULL; -- the result of an AFTER trigger is ignored
END
$$
