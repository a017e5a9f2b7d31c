-- Derived from the models by tools/derived_sql.py.
-- Repeats the foreign keys, for connections with foreign_keys = OFF.
CREATE TRIGGER guard_key_rotation_references_insert
BEFORE INSERT ON key_rotations
BEGIN
    SELECT RAISE(ABORT, 'fk_key_rotations_key_id_key_masters: there is no such key')
    WHERE NOT EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.key_id);
    SELECT RAISE(ABORT, 'fk_key_rotations_policy_id_rotation_policies: there is no such policy')
    WHERE NEW.policy_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM rotation_policies WHERE id = NEW.policy_id);
    SELECT RAISE(ABORT, 'fk_key_rotations_key_id_old_version_key_versions: the key has no such version')
    WHERE NEW.old_version IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM key_versions WHERE key_id = NEW.key_id AND version_number = NEW.old_version
    );
    SELECT RAISE(ABORT, 'fk_key_rotations_key_id_new_version_key_versions: the key has no such version')
    WHERE NEW.new_version IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM key_versions WHERE key_id = NEW.key_id AND version_number = NEW.new_version
    );
END
