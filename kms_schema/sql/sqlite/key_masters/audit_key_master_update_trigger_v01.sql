-- Counting use and bookkeeping are no changes of state. Neither is a time that the database fills in when the status
-- changes (SQLite needs a separate UPDATE; otherwise no row in that status is without the time).
CREATE TRIGGER audit_key_master_update
AFTER UPDATE ON key_masters
WHEN OLD.algorithm IS NOT NEW.algorithm OR OLD.compliance_tags IS NOT NEW.compliance_tags
    OR OLD.derivation_path IS NOT NEW.derivation_path OR OLD.encrypted_columns IS NOT NEW.encrypted_columns
    OR OLD.expires_at IS NOT NEW.expires_at
    OR OLD.hsm_key_id IS NOT NEW.hsm_key_id OR OLD.hsm_metadata IS NOT NEW.hsm_metadata
    OR OLD.hsm_provider IS NOT NEW.hsm_provider OR OLD.key_id IS NOT NEW.key_id
    OR OLD.key_size_bits IS NOT NEW.key_size_bits OR OLD.key_type IS NOT NEW.key_type
    OR OLD.max_usage_count IS NOT NEW.max_usage_count OR OLD.parent_key_id IS NOT NEW.parent_key_id
    OR OLD.security_level IS NOT NEW.security_level OR OLD.status IS NOT NEW.status
    OR OLD.status_reason IS NOT NEW.status_reason
    OR OLD.activated_at IS NOT NEW.activated_at AND NOT (OLD.activated_at IS NULL AND NEW.status = 'active')
    OR OLD.rotated_at IS NOT NEW.rotated_at AND NOT (OLD.rotated_at IS NULL AND NEW.status = 'rotated')
    OR OLD.expired_at IS NOT NEW.expired_at AND NOT (OLD.expired_at IS NULL AND NEW.status = 'expired')
    OR OLD.revoked_at IS NOT NEW.revoked_at AND NOT (OLD.revoked_at IS NULL AND NEW.status = 'revoked')
    OR OLD.archived_at IS NOT NEW.archived_at AND NOT (OLD.archived_at IS NULL AND NEW.status = 'archived')
BEGIN
    INSERT INTO key_audit_logs
        (key_id, event_type, event_category, event_description, user_id, security_level, additional_metadata)
    SELECT
        made.key_id, made.event, 'LIFECYCLE',
        lower(replace(made.event, '_', ' ')) || ': ' || NEW.key_id,
        (SELECT actor FROM key_audit_actor),
        made.level, change.document
    FROM (
        SELECT
            NEW.id AS key_id,
            CASE NEW.status WHEN 'active' THEN 'KEY_ACTIVATED' WHEN 'rotated' THEN 'KEY_ROTATED' WHEN 'expired' THEN 'KEY_EXPIRED' WHEN 'revoked' THEN 'KEY_REVOKED' WHEN 'archived' THEN 'KEY_ARCHIVED' END AS event,
            CASE NEW.status WHEN 'expired' THEN 'MEDIUM' WHEN 'revoked' THEN 'HIGH' ELSE 'LOW' END AS level,
            1 AS place
        WHERE NEW.status <> OLD.status
        UNION ALL SELECT NEW.id, 'KEY_PARENT_CHANGED', 'MEDIUM', 2
        WHERE NEW.parent_key_id IS NOT OLD.parent_key_id
        UNION ALL SELECT NEW.id, 'KEY_CHANGED', 'MEDIUM', 3
        WHERE NOT coalesce(
            NEW.status <> OLD.status
            OR NEW.parent_key_id IS NOT OLD.parent_key_id, 0
        )
    ) AS made CROSS JOIN (
        SELECT json_object(
            'id', NEW.id,
            'changed', json_group_array(name),
            'from', json_group_object(name, CASE kind WHEN 'json' THEN json(before) ELSE before END) FILTER (WHERE kind <> 'named' AND before IS NOT NULL),
            'to', json_group_object(name, CASE kind WHEN 'json' THEN json(after) ELSE after END) FILTER (WHERE kind <> 'named' AND after IS NOT NULL)
        ) AS document
        FROM (
            SELECT 'activated_at' AS name, 'plain' AS kind, OLD.activated_at AS before, NEW.activated_at AS after
            UNION ALL SELECT 'algorithm', 'plain', OLD.algorithm, NEW.algorithm
            UNION ALL SELECT 'archived_at', 'plain', OLD.archived_at, NEW.archived_at
            UNION ALL SELECT 'compliance_tags', 'json', OLD.compliance_tags, NEW.compliance_tags
            UNION ALL SELECT 'derivation_path', 'plain', OLD.derivation_path, NEW.derivation_path
            UNION ALL SELECT 'encrypted_columns', 'json', OLD.encrypted_columns, NEW.encrypted_columns
            UNION ALL SELECT 'expired_at', 'plain', OLD.expired_at, NEW.expired_at
            UNION ALL SELECT 'expires_at', 'plain', OLD.expires_at, NEW.expires_at
            UNION ALL SELECT 'hsm_key_id', 'plain', OLD.hsm_key_id, NEW.hsm_key_id
            UNION ALL SELECT 'hsm_metadata', 'named', OLD.hsm_metadata, NEW.hsm_metadata
            UNION ALL SELECT 'hsm_provider', 'plain', OLD.hsm_provider, NEW.hsm_provider
            UNION ALL SELECT 'key_id', 'plain', OLD.key_id, NEW.key_id
            UNION ALL SELECT 'key_size_bits', 'plain', OLD.key_size_bits, NEW.key_size_bits
            UNION ALL SELECT 'key_type', 'plain', OLD.key_type, NEW.key_type
            UNION ALL SELECT 'max_usage_count', 'plain', OLD.max_usage_count, NEW.max_usage_count
            UNION ALL SELECT 'parent_key_id', 'plain', OLD.parent_key_id, NEW.parent_key_id
            UNION ALL SELECT 'revoked_at', 'plain', OLD.revoked_at, NEW.revoked_at
            UNION ALL SELECT 'rotated_at', 'plain', OLD.rotated_at, NEW.rotated_at
            UNION ALL SELECT 'security_level', 'plain', OLD.security_level, NEW.security_level
            UNION ALL SELECT 'status', 'plain', OLD.status, NEW.status
            UNION ALL SELECT 'status_reason', 'plain', OLD.status_reason, NEW.status_reason
        )
        WHERE before IS NOT after
    ) AS change
    ORDER BY made.place;
END
