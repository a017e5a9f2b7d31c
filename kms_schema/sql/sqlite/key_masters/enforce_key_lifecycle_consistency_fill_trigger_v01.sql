-- Fills in the time of the status if the caller did not give it (a BEFORE trigger cannot), ends the live version of a
-- revoked key, and then checks the result: an UPDATE in a trigger inherits OR IGNORE and may have changed nothing.
CREATE TRIGGER enforce_key_lifecycle_consistency_fill
AFTER UPDATE OF status, activated_at, rotated_at, expired_at, revoked_at, archived_at ON key_masters
BEGIN
    UPDATE key_masters SET
        activated_at = CASE WHEN NEW.status = 'active' AND NEW.activated_at IS OLD.activated_at
            THEN strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' ELSE activated_at END,
        rotated_at = CASE WHEN NEW.status = 'rotated' AND NEW.rotated_at IS OLD.rotated_at
            THEN strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' ELSE rotated_at END,
        expired_at = CASE WHEN NEW.status = 'expired' AND NEW.expired_at IS OLD.expired_at
            THEN strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' ELSE expired_at END,
        revoked_at = CASE WHEN NEW.status = 'revoked' AND NEW.revoked_at IS OLD.revoked_at
            THEN strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' ELSE revoked_at END,
        archived_at = CASE WHEN NEW.status = 'archived' AND NEW.archived_at IS OLD.archived_at
            THEN strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' ELSE archived_at END
    WHERE id = NEW.id AND NEW.status <> OLD.status;
    SELECT RAISE(ABORT, 'ck_key_masters_active_has_activated_at: a key that is active must have activated_at')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.id AND status = 'active' AND activated_at IS NULL);
    SELECT RAISE(ABORT, 'ck_key_masters_rotated_has_rotated_at: a key that is rotated must have rotated_at')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.id AND status = 'rotated' AND rotated_at IS NULL);
    SELECT RAISE(ABORT, 'ck_key_masters_expired_has_expired_at: a key that is expired must have expired_at')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.id AND status = 'expired' AND expired_at IS NULL);
    SELECT RAISE(ABORT, 'ck_key_masters_revoked_has_revoked_at: a key that is revoked must have revoked_at')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.id AND status = 'revoked' AND revoked_at IS NULL);
    SELECT RAISE(ABORT, 'ck_key_masters_archived_has_archived_at: a key that is archived must have archived_at')
    WHERE EXISTS (SELECT 1 FROM key_masters WHERE id = NEW.id AND status = 'archived' AND archived_at IS NULL);
    UPDATE key_versions SET deactivated_at = max(strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z', activated_at)
    WHERE key_id = NEW.id AND activated_at IS NOT NULL AND deactivated_at IS NULL
        AND NEW.status = 'revoked' AND OLD.status <> 'revoked';
    SELECT RAISE(ABORT, 'enforce_key_lifecycle_consistency: a revoked key may have no live version')
    WHERE NEW.status = 'revoked' AND OLD.status <> 'revoked' AND EXISTS (
    SELECT 1 FROM key_versions
    WHERE key_id = NEW.id AND activated_at IS NOT NULL AND deactivated_at IS NULL
    );
END
