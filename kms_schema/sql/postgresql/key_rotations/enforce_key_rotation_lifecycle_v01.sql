-- Allowed changes of a rotation's status, the worker that may complete it, and the number of retries. Fills in times
-- that the caller did not give; a CHECK constraint defines the times of each status.
CREATE FUNCTION {schema}.enforce_key_rotation_lifecycle() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- kms_schema.vocabulary.ROTATION_LIFECYCLE; a test compares the two.
    lifecycle CONSTANT jsonb := '{
        "SCHEDULED": ["RUNNING"],
        "RUNNING": ["COMPLETED", "FAILED"],
        "COMPLETED": [],
        "FAILED": ["SCHEDULED"]
    }';
    is_retry CONSTANT boolean := OLD.status = 'FAILED' AND NEW.status = 'SCHEDULED';
    fault text;
BEGIN
    fault := CASE
        WHEN NEW.status IS DISTINCT FROM OLD.status
            AND jsonb_exists(lifecycle -> OLD.status::text, NEW.status::text) IS NOT TRUE
            THEN format('status may not change from %s to %s', OLD.status, NEW.status)
        WHEN is_retry AND OLD.retry_count >= NEW.max_retries
            THEN format('no retries are left (%s of %s used)', OLD.retry_count, NEW.max_retries)
        WHEN is_retry AND NEW.failed_at IS DISTINCT FROM OLD.failed_at
            THEN 'a retry may not change failed_at, the time of the last failure'
        WHEN NEW.failed_at IS NULL AND OLD.failed_at IS NOT NULL AND NEW.status <> 'FAILED' -- a CHECK covers FAILED
            THEN 'failed_at may not be cleared: it is the time of the last failure'
        WHEN OLD.status IN ('COMPLETED', 'FAILED') AND NEW.status = OLD.status
            AND OLD.claimed_by IS NOT NULL AND NEW.claimed_by IS DISTINCT FROM OLD.claimed_by
            THEN format('an ended rotation keeps claimed_by (%L)', OLD.claimed_by)
        WHEN is_retry AND NEW.retry_count = OLD.retry_count AND NEW.started_at IS NULL
            THEN 'a retry that clears started_at itself must also add one to retry_count'
        WHEN NEW.retry_count <> OLD.retry_count AND NOT (is_retry AND NEW.retry_count = OLD.retry_count + 1)
            THEN format('retry_count may not change from %s to %s: only a retry adds one', OLD.retry_count, NEW.retry_count)
        WHEN OLD.status = 'RUNNING' AND NEW.status = 'RUNNING' AND NEW.claimed_by IS DISTINCT FROM OLD.claimed_by
            AND OLD.claimed_by IS NOT NULL
            AND (OLD.lease_expires_at IS NULL OR OLD.lease_expires_at > clock_timestamp())
            THEN format('it is claimed by %L until %s', OLD.claimed_by, coalesce(OLD.lease_expires_at::text, 'it ends'))
        WHEN OLD.status = 'RUNNING' AND NEW.status IN ('COMPLETED', 'FAILED')
            AND NEW.claimed_by IS DISTINCT FROM OLD.claimed_by
            THEN format('only its worker %L may complete or fail it', OLD.claimed_by)
    END;
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: rotation %s: %s', TG_NAME, OLD.id, fault);
    END IF;
    IF NEW.status IS NOT DISTINCT FROM OLD.status THEN
        RETURN NEW;
    END IF;
    CASE NEW.status
        WHEN 'RUNNING' THEN
            NEW.started_at := coalesce(NEW.started_at, now());
        WHEN 'COMPLETED' THEN
            NEW.completed_at := coalesce(NEW.completed_at, greatest(now(), NEW.started_at));
        WHEN 'FAILED' THEN
            IF NEW.failed_at IS NOT DISTINCT FROM OLD.failed_at THEN
                NEW.failed_at := greatest(now(), NEW.started_at);
            END IF;
        WHEN 'SCHEDULED' THEN -- a retry starts over
            NEW.retry_count := OLD.retry_count + 1;
            NEW.started_at := NULL;
            NEW.claimed_by := NULL;
            NEW.lease_expires_at := NULL;
    END CASE;
    RETURN NEW;
END
$$
