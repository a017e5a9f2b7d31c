-- Which status of a rotation may follow which, who may complete it, and how often it may be retried.
-- Times that the caller did not give are filled in; which times each status has is said by a CHECK constraint.
CREATE FUNCTION {schema}.enforce_key_rotation_lifecycle() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- kms_schema.vocabulary.ROTATION_LIFECYCLE; a test holds the two together.
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
            THEN format('it may not change from %s to %s', OLD.status, NEW.status)
        WHEN is_retry AND OLD.retry_count >= NEW.max_retries
            THEN format('no retries are left (%s of %s used)', OLD.retry_count, NEW.max_retries)
        WHEN is_retry AND NEW.failed_at IS DISTINCT FROM OLD.failed_at
            THEN 'a retry keeps failed_at as the time of the last failure'
        WHEN NEW.failed_at IS NULL AND OLD.failed_at IS NOT NULL AND NEW.status <> 'FAILED' -- there a CHECK says so
            THEN 'failed_at stays as the time of the last failure'
        WHEN OLD.status IN ('COMPLETED', 'FAILED') AND NEW.status = OLD.status
            AND OLD.claimed_by IS NOT NULL AND NEW.claimed_by IS DISTINCT FROM OLD.claimed_by
            THEN format('it was %L who ended it', OLD.claimed_by)
        WHEN is_retry AND NEW.retry_count = OLD.retry_count AND NEW.started_at IS NULL
            THEN 'a retry that clears started_at itself must also add one to retry_count'
        WHEN NEW.retry_count <> OLD.retry_count AND NOT (is_retry AND NEW.retry_count = OLD.retry_count + 1)
            THEN format('retry_count may not change from %s to %s: each retry adds one', OLD.retry_count, NEW.retry_count)
        WHEN OLD.status = 'RUNNING' AND NEW.status = 'RUNNING' AND NEW.claimed_by IS DISTINCT FROM OLD.claimed_by
            AND OLD.claimed_by IS NOT NULL
            AND (OLD.lease_expires_at IS NULL OR OLD.lease_expires_at > clock_timestamp())
            THEN format('it is claimed by %L until %s', OLD.claimed_by, coalesce(OLD.lease_expires_at::text, 'the end'))
        WHEN OLD.status = 'RUNNING' AND NEW.status IN ('COMPLETED', 'FAILED')
            AND NEW.claimed_by IS DISTINCT FROM OLD.claimed_by
            THEN format('only its claimant %L may end it', OLD.claimed_by)
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
        WHEN 'SCHEDULED' THEN -- a retry starts afresh
            NEW.retry_count := OLD.retry_count + 1;
            NEW.started_at := NULL;
            NEW.claimed_by := NULL;
            NEW.lease_expires_at := NULL;
    END CASE;
    RETURN NEW;
END
$$
