-- The server sets id, sequence, timestamp and recorded_by; an INSERT that carries them is refused, never overwritten.
-- A restore brings them back: kms.restore = on, by a session whose login role is or belongs to the table's owner.
-- SECURITY DEFINER, so that a role needs no right on the sequence; inside it current_user is the owner, and
-- session_user is who logged in.
--
-- How long an entry is kept is not the client's to choose: the policy of its category says so, else the column's default,
-- which also stands for a period that was left out. A later policy changes nothing of the entries that there are.
CREATE FUNCTION {schema}.guard_key_audit_log_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given integer := num_nonnulls(NEW.id, NEW.sequence, NEW."timestamp", NEW.recorded_by);
    period integer := 2555;
BEGIN
    IF given > 0 THEN -- by itself: an expression with a query in it takes 6 microseconds, true or false
        IF NOT (
            coalesce(current_setting('kms.restore', true), '') = 'on'
            AND pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: the server sets id, sequence, timestamp and recorded_by (the INSERT carries %s of them)',
                    TG_NAME, given
                ),
                HINT = 'Leave these columns out. A restore by the owner sets kms.restore = on first.';
        END IF;
    ELSE
        -- A query takes 4 microseconds, and most have no policy: the table that never had a row has a file of no bytes.
        IF pg_relation_size('{schema}.key_audit_retention_policies', 'main') > 0 THEN
            SELECT policy.retention_period_days INTO period
            FROM {schema}.key_audit_retention_policies AS policy WHERE policy.event_category = NEW.event_category;
            period := coalesce(period, 2555);
        END IF;
        IF NEW.retention_period_days = 2555 THEN
            NEW.retention_period_days := period;
        ELSIF NEW.retention_period_days <> period AND NEW.retention_period_days BETWEEN 1 AND 36500 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: the database sets retention_period_days (%s for %s, not %s)',
                    TG_NAME, period, NEW.event_category, NEW.retention_period_days
                ),
                HINT = 'Leave the column out. key_audit_retention_policies says how long entries of a category are kept.';
        END IF;
    END IF;
    NEW.id := coalesce(NEW.id, {schema}.kms_uuidv7());
    -- Sealing relies on this order: the transaction has its id before it draws a sequence number. CASE holds it, and takes
    -- 2 microseconds less than PERFORM, which is a query.
    NEW.sequence := CASE WHEN pg_current_xact_id() IS NOT NULL
        THEN coalesce(NEW.sequence, nextval('{schema}.key_audit_logs_sequence_seq')) END;
    NEW."timestamp" := coalesce(NEW."timestamp", clock_timestamp());
    NEW.recorded_by := coalesce(NEW.recorded_by, session_user::text);
    RETURN NEW;
END
$$
