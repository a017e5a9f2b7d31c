-- Writes one audit entry for each change of state, in the same transaction.
--
-- A trigger's arguments are the subject, the category of its entries, the columns whose values are recorded, and the
-- columns that are only named: secrets and columns that may contain one, since an entry can never be withdrawn.
--
-- SECURITY DEFINER: a role that may change keys needs no privileges on the audit log, and cannot write such an entry
-- without the change (guard_key_audit_log_insert_event). recorded_by is still the session user. kms.actor is the user
-- on whose behalf the application claims to act.
--
-- Entries about the creation or deletion of a row do not reference its key, so that a key without other entries can
-- still be deleted.
CREATE FUNCTION {schema}.audit_key_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    subject CONSTANT text := TG_ARGV[0];
    shown CONSTANT text[] := CAST(TG_ARGV[2] AS text[]);
    watched CONSTANT text[] := shown || CAST(TG_ARGV[3] AS text[]);
    before CONSTANT jsonb := to_jsonb(OLD);
    after CONSTANT jsonb := to_jsonb(NEW);
    affected CONSTANT jsonb := coalesce(after, before);
    master CONSTANT uuid := CAST(affected ->> CASE subject WHEN 'KEY' THEN 'id' ELSE 'key_id' END AS uuid);
    actor CONSTANT text := nullif(btrim(current_setting('kms.actor', true), E' \t\n\r'), '');
    named text;
    events text[];
    change jsonb;
BEGIN
    -- Restored rows already have their entries. Updates and deletions are recorded even during a restore.
    IF TG_OP = 'INSERT' AND {schema}.kms_restoring() THEN
        RETURN NULL;
    END IF;
    IF length(actor) > 100 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'string_data_right_truncation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: kms.actor has %s characters; user_id allows 100', TG_NAME, length(actor));
    END IF;
    named := CASE subject
        WHEN 'KEY' THEN affected ->> 'key_id'
        WHEN 'POLICY' THEN affected ->> 'policy_name'
        WHEN 'HSM_CONFIGURATION' THEN affected ->> 'configuration_name'
        WHEN 'HSM' THEN affected ->> 'configuration_name'
        ELSE coalesce((SELECT key_id FROM {schema}.key_masters WHERE id = master), master::text)
            || coalesce(' version ' || (affected ->> 'version_number'), '')
    END;
    -- kms_schema.vocabulary.RecordedEvent; a test compares the two.
    events := ARRAY[CASE TG_OP WHEN 'INSERT' THEN 'CREATED' WHEN 'DELETE' THEN 'DELETED' END];
    IF subject = 'KEY' AND TG_OP <> 'DELETE' THEN
        events := events || ARRAY[
            CASE WHEN after ->> 'status' <> coalesce(before ->> 'status', 'pending')
                THEN CASE after ->> 'status' WHEN 'active' THEN 'ACTIVATED' ELSE upper((after ->> 'status') COLLATE "C") END
            END,
            CASE WHEN TG_OP = 'UPDATE' AND after ->> 'parent_key_id' IS DISTINCT FROM before ->> 'parent_key_id'
                THEN 'PARENT_CHANGED'
            END
        ];
    ELSIF subject = 'VERSION' AND TG_OP <> 'DELETE' THEN
        events := events || ARRAY[
            CASE WHEN after ->> 'activated_at' IS NOT NULL AND after ->> 'deactivated_at' IS NULL
                    AND (before ->> 'activated_at' IS NULL OR before ->> 'deactivated_at' IS NOT NULL)
                THEN 'ACTIVATED'
            END,
            CASE WHEN TG_OP = 'UPDATE' AND before ->> 'deactivated_at' IS NULL AND after ->> 'deactivated_at' IS NOT NULL
                THEN 'DEACTIVATED'
            END,
            CASE WHEN TG_OP = 'UPDATE' AND before ->> 'destroyed_at' IS NULL AND after ->> 'destroyed_at' IS NOT NULL
                THEN 'DESTROYED'
            END,
            CASE WHEN before ->> 'encrypted_key_data' <> after ->> 'encrypted_key_data' THEN 'REWRAPPED' END
        ];
    ELSIF subject = 'ROTATION' AND TG_OP <> 'DELETE' THEN
        events := ARRAY[
            CASE WHEN after ->> 'status' IS DISTINCT FROM before ->> 'status'
                THEN CASE after ->> 'status' WHEN 'RUNNING' THEN 'STARTED' ELSE after ->> 'status' END
                WHEN after ->> 'status' = 'RUNNING' AND after ->> 'claimed_by' IS DISTINCT FROM before ->> 'claimed_by'
                THEN 'TAKEN_OVER'
            END
        ];
    ELSIF subject = 'HSM' THEN
        events := ARRAY['HEALTH_CHANGED'];
    ELSIF subject = 'VERSION_COUNT' THEN
        events := ARRAY['JUMPED'];
    END IF;
    events := array_remove(events, NULL);
    IF cardinality(events) = 0 THEN
        events := ARRAY['CHANGED'];
    END IF;
    SELECT jsonb_build_object('id', affected -> 'id', 'changed', coalesce(jsonb_agg(name ORDER BY name COLLATE "C"), '[]'))
        || CASE WHEN subject IN ('VERSION', 'VERSION_COUNT', 'ROTATION') THEN jsonb_build_object('key_id', master) ELSE '{}' END
        || CASE WHEN subject = 'HSM' THEN jsonb_build_object(
            'last_health_check', after -> 'last_health_check', 'response_time_ms', after -> 'response_time_ms'
        ) ELSE '{}' END
        || CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE jsonb_build_object('from', coalesce(
            jsonb_object_agg(name, before -> name) FILTER (WHERE name = ANY (shown) AND before ->> name IS NOT NULL), '{}'
        )) END
        || CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE jsonb_build_object('to', coalesce(
            jsonb_object_agg(name, after -> name) FILTER (WHERE name = ANY (shown) AND after ->> name IS NOT NULL), '{}'
        )) END
    INTO change
    FROM unnest(watched) AS name WHERE before ->> name IS DISTINCT FROM after ->> name;
    INSERT INTO {schema}.key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        CASE WHEN event NOT IN ('CREATED', 'DELETED') AND (TG_OP = 'UPDATE' OR event <> 'SCHEDULED') THEN master END,
        subject || '_' || event,
        TG_ARGV[1],
        lower(replace(subject || ' ' || event, '_', ' ') COLLATE "C") || ': ' || named,
        actor,
        CASE
            WHEN event = 'JUMPED' THEN 'CRITICAL'
            WHEN event = 'DELETED' OR subject || '_' || event IN ('KEY_REVOKED', 'HSM_CONFIGURATION_CHANGED') THEN 'HIGH'
            WHEN event IN (
                'CREATED', 'ACTIVATED', 'DEACTIVATED', 'ROTATED', 'ARCHIVED', 'SCHEDULED', 'STARTED', 'COMPLETED'
            ) THEN 'LOW'
            ELSE 'MEDIUM'
        END,
        change
    FROM unnest(events) WITH ORDINALITY AS made (event, place) ORDER BY place;
    RETURN NULL;
END
$$
