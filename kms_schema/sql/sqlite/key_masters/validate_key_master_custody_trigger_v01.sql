-- Material is either in the database or in an HSM: a key with undestroyed versions cannot move between the two.
CREATE TRIGGER validate_key_master_custody
BEFORE UPDATE OF hsm_key_id ON key_masters
WHEN (OLD.hsm_key_id IS NULL) <> (NEW.hsm_key_id IS NULL)
BEGIN
    SELECT RAISE(ABORT, 'validate_key_master_custody: a key with material may not move into or out of an HSM')
    WHERE EXISTS (SELECT 1 FROM key_versions WHERE key_id = NEW.id AND destroyed_at IS NULL);
END
