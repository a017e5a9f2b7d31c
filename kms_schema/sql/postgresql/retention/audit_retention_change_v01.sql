-- Tombstones and changes of retention policies are recorded in the audit log. The entries are written as in
-- audit_key_change: by the database, in the same transaction, with the owner's privileges.
CREATE FUNCTION {schema}.audit_retention_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET bytea_output = 'hex'
AS $$
DECLARE
    before CONSTANT jsonb := to_jsonb(OLD);
    after CONSTANT jsonb := to_jsonb(NEW);
    actor CONSTANT text := nullif(btrim(current_setting('kms.actor', true), E' \t\n\r'), '');
    event text;
    description text;
    document jsonb;
BEGIN
    IF TG_OP = 'INSERT' AND {schema}.kms_restoring() THEN
        RETURN NULL;
    END IF;
    IF length(actor) > 100 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'string_data_right_truncation',
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME,
            MESSAGE = format('%s: kms.actor has %s characters; user_id allows 100', TG_NAME, length(actor));
    END IF;
    IF TG_ARGV[0] = 'TRAIL' THEN
        event := 'TRAIL_CUT';
        description := format(
            'trail cut: the first %s entries of the tree, up to sequence %s, are not kept any longer',
            after ->> 'leaf_count', after ->> 'last_sequence'
        );
        document := after || jsonb_build_object('archive_sha256', substr(after ->> 'archive_sha256', 3));
    ELSE
        event := 'RETENTION_POLICY_' || CASE TG_OP WHEN 'INSERT' THEN 'CREATED' WHEN 'UPDATE' THEN 'CHANGED' ELSE 'DELETED' END;
        description := lower(replace(event, '_', ' ') COLLATE "C") || ': ' || (coalesce(after, before) ->> 'event_category');
        document := jsonb_strip_nulls(jsonb_build_object('from', before, 'to', after));
    END IF;
    INSERT INTO {schema}.key_audit_logs
        (event_type, event_category, event_description, user_id, security_level, additional_metadata)
    VALUES (event, TG_ARGV[1], description, actor, 'HIGH', document);
    RETURN NULL;
END
$$
