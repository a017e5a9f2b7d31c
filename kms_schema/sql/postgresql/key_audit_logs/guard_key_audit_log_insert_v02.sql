-- The database sets id, sequence, timestamp and recorded_by; an INSERT that gives one of them fails. Only a restore may
-- give them: kms.restore is on, and the login role is the table's owner or a member of it. SECURITY DEFINER: clients
-- need no privileges on the sequence. Inside the function current_user is the owner, and session_user is the login
-- role.
--
-- Clients cannot choose the retention period: it comes from the policy of the category, else from the column's default,
-- which also stands for a missing value. A later policy does not change existing entries.
--
-- A sequence that the owner has set far ahead would end with the last number there is, and no entry could follow. So a
-- number above 2^50 is at most 2^40 above the last entry. Other roles than the owner cannot set the sequence.
CREATE FUNCTION {schema}.guard_key_audit_log_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given integer := num_nonnulls(NEW.id, NEW.sequence, NEW."timestamp", NEW.recorded_by);
    period integer := 2555;
BEGIN
    IF given > 0 THEN -- a separate IF: an expression with a query takes 6 microseconds, true or false
        IF NOT (
            coalesce(current_setting('kms.restore', true), '') = 'on'
            AND pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER')
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
                MESSAGE = format(
                    '%s: the database sets id, sequence, timestamp and recorded_by (the INSERT gives %s of them)',
                    TG_NAME, given
                ),
                HINT = 'Leave these columns out. A restore by the owner sets kms.restore = on first.';
        END IF;
    ELSE
        -- A query takes 4 microseconds, and most databases have no policy: a table that never had a row has an empty
        -- file.
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
                HINT = 'Leave the column out. key_audit_retention_policies defines the retention period of each category.';
        END IF;
    END IF;
    NEW.id := coalesce(NEW.id, {schema}.kms_uuidv7());
    -- Sealing relies on this order: the transaction has its id before it draws a sequence number. CASE guarantees the
    -- order, and takes 2 microseconds less than PERFORM, which runs a query.
    NEW.sequence := CASE WHEN pg_current_xact_id() IS NOT NULL
        THEN coalesce(NEW.sequence, nextval('{schema}.key_audit_logs_sequence_seq')) END;
    IF NEW.sequence > 1125899906842624 AND given = 0 THEN -- a separate IF, as above
        IF NEW.sequence > 1099511627776 + (SELECT coalesce(max(entry.sequence), 0) FROM ONLY {schema}.key_audit_logs AS entry) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
                MESSAGE = format('%s: the sequence was set far above the last entry, to %s', TG_NAME, NEW.sequence),
                HINT = 'kms-schema validate has the SQL that sets it back (KMS454).';
        END IF;
    END IF;
    NEW."timestamp" := coalesce(NEW."timestamp", clock_timestamp());
    NEW.recorded_by := coalesce(NEW.recorded_by, session_user::text);
    RETURN NEW;
END
$$
