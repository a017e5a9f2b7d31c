-- Rotations outlive their policy: repeats ON DELETE SET NULL, for connections with foreign_keys = OFF.
CREATE TRIGGER release_key_rotations
BEFORE DELETE ON rotation_policies
BEGIN
    UPDATE key_rotations SET policy_id = NULL WHERE policy_id = OLD.id;
END
