-- Repeats the foreign keys that restrict deletion, for connections with foreign_keys = OFF.
CREATE TRIGGER prevent_key_master_delete
BEFORE DELETE ON key_masters
BEGIN
    SELECT RAISE(ABORT, 'fk_key_audit_logs_key_id_key_masters: the key has audit entries')
    WHERE EXISTS (SELECT 1 FROM key_audit_logs WHERE key_id = OLD.id);
    SELECT RAISE(ABORT, 'fk_key_rotations_key_id_key_masters: the key has rotations')
    WHERE EXISTS (SELECT 1 FROM key_rotations WHERE key_id = OLD.id);
    SELECT RAISE(ABORT, 'fk_key_masters_parent_key_id_key_masters: the key is the parent of others')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE parent_key_id = OLD.key_id);
    SELECT RAISE(ABORT, 'fk_key_versions_wrapped_by_version_id_key_versions: a version of the key wraps others')
    WHERE EXISTS (
        SELECT 1 FROM key_versions AS wrapped JOIN key_versions AS wrapper
            ON wrapper.id = wrapped.wrapped_by_version_id
        WHERE wrapper.key_id = OLD.id
    );
END
