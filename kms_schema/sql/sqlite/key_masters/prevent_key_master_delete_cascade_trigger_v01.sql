-- Versions go with their master, for connections that have foreign keys off. Their own guard asks whether the
-- master is gone, hence AFTER.
CREATE TRIGGER prevent_key_master_delete_cascade
AFTER DELETE ON key_masters
BEGIN
    DELETE FROM key_versions WHERE key_id = OLD.id;
END
