CREATE TRIGGER audit_key_audit_tombstone_insert
AFTER INSERT ON key_audit_tombstones
BEGIN
    INSERT INTO key_audit_logs
        (event_type, event_category, event_description, user_id, security_level, additional_metadata)
    VALUES (
        'TRAIL_CUT', 'COMPLIANCE',
        'trail cut: the first ' || NEW.leaf_count || ' entries of the tree, up to sequence ' || NEW.last_sequence
            || ', are not kept any longer',
        (SELECT actor FROM key_audit_actor), 'HIGH',
        json_object(
            'seal_number', NEW.seal_number, 'leaf_count', NEW.leaf_count, 'last_sequence', NEW.last_sequence,
            'archive_sha256', lower(hex(NEW.archive_sha256))
        )
    );
END
