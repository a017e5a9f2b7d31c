-- Versions are deleted with their key, for connections with foreign_keys = OFF. AFTER, since the guard trigger of
-- versions checks that the key is deleted.
CREATE TRIGGER prevent_key_master_delete_cascade
AFTER DELETE ON key_masters
BEGIN
    DELETE FROM key_versions WHERE key_id = OLD.id;
END
