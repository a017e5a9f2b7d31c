-- A deleted policy leaves its rotations: ON DELETE SET NULL, for connections that have foreign keys off.
CREATE TRIGGER release_key_rotations
BEFORE DELETE ON rotation_policies
BEGIN
    UPDATE key_rotations SET policy_id = NULL WHERE policy_id = OLD.id;
END
