-- Writes the entries of audit_key_change for new keys and versions, for all rows of an INSERT or COPY at once and in
-- their order. For imports of a million keys, a statement for each entry took ten times as long as its key.
--
-- Arguments, privileges and kms.actor are as in audit_key_change. A plan is cached for the session: one that was made
-- for three keys would scan key_masters for each version.
CREATE FUNCTION {schema}.audit_key_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET enable_seqscan = off
AS $$
DECLARE
    subject CONSTANT text := TG_ARGV[0];
    shown CONSTANT text[] := CAST(TG_ARGV[2] AS text[]);
    watched CONSTANT text[] := ARRAY(
        SELECT name FROM unnest(shown || CAST(TG_ARGV[3] AS text[])) AS name ORDER BY name COLLATE "C"
    );
    owner CONSTANT text := CASE subject WHEN 'KEY' THEN 'id' ELSE 'key_id' END;
    actor CONSTANT text := nullif(btrim(current_setting('kms.actor', true), E' \t\n\r'), '');
BEGIN
    -- Restored rows already have their entries.
    IF {schema}.kms_restoring() THEN
        RETURN NULL;
    END IF;
    IF length(actor) > 100 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'string_data_right_truncation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: kms.actor has %s characters; user_id allows 100', TG_NAME, length(actor));
    END IF;
    INSERT INTO {schema}.key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        CASE WHEN made.event <> 'CREATED' THEN CAST(item.after ->> owner AS uuid) END,
        subject || '_' || made.event,
        TG_ARGV[1],
        lower(subject || ' ' || made.event COLLATE "C") || ': ' || CASE subject
            WHEN 'KEY' THEN item.after ->> 'key_id'
            ELSE coalesce(
                (SELECT key_id FROM {schema}.key_masters WHERE id = CAST(item.after ->> 'key_id' AS uuid)),
                item.after ->> 'key_id'
            ) || ' version ' || (item.after ->> 'version_number')
        END,
        actor,
        CASE
            WHEN made.event = 'REVOKED' THEN 'HIGH'
            WHEN made.event IN ('CREATED', 'ACTIVATED', 'ROTATED', 'ARCHIVED') THEN 'LOW'
            ELSE 'MEDIUM'
        END,
        change.said || CASE subject WHEN 'KEY' THEN '{}' ELSE jsonb_build_object('key_id', item.after -> 'key_id') END
    FROM (SELECT row_number() OVER () AS number, to_jsonb(inserted) AS after FROM inserted) AS item
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object(
            'id', item.after -> 'id',
            'changed', coalesce(jsonb_agg(name), '[]'),
            'to', coalesce(jsonb_object_agg(name, item.after -> name) FILTER (WHERE name = ANY (shown)), '{}')
        ) AS said
        FROM unnest(watched) AS name WHERE item.after ->> name IS NOT NULL
    ) AS change
    CROSS JOIN LATERAL (
        VALUES
            (1, 'CREATED'),
            (2, CASE subject
                WHEN 'KEY' THEN CASE item.after ->> 'status'
                    WHEN 'pending' THEN NULL
                    WHEN 'active' THEN 'ACTIVATED'
                    ELSE upper((item.after ->> 'status') COLLATE "C")
                END
                WHEN 'VERSION' THEN CASE
                    WHEN item.after ->> 'activated_at' IS NOT NULL AND item.after ->> 'deactivated_at' IS NULL
                    THEN 'ACTIVATED'
                END
            END)
    ) AS made (place, event)
    WHERE made.event IS NOT NULL
    ORDER BY item.number, made.place;
    RETURN NULL;
END
$$
