-- Derived from the models by tools/derived_sql.py.
-- A key may be imported in any status whose time is given. PostgreSQL has a CHECK; on SQLite it would run
-- before enforce_key_lifecycle_consistency_fill has filled in the time.
CREATE TRIGGER enforce_key_lifecycle_consistency_insert
BEFORE INSERT ON key_masters
BEGIN
    SELECT RAISE(ABORT, 'ck_key_masters_active_has_activated_at: a key that is active must have activated_at')
    WHERE NEW.status = 'active' AND NEW.activated_at IS NULL;
    SELECT RAISE(ABORT, 'ck_key_masters_rotated_has_rotated_at: a key that is rotated must have rotated_at')
    WHERE NEW.status = 'rotated' AND NEW.rotated_at IS NULL;
    SELECT RAISE(ABORT, 'ck_key_masters_expired_has_expired_at: a key that is expired must have expired_at')
    WHERE NEW.status = 'expired' AND NEW.expired_at IS NULL;
    SELECT RAISE(ABORT, 'ck_key_masters_revoked_has_revoked_at: a key that is revoked must have revoked_at')
    WHERE NEW.status = 'revoked' AND NEW.revoked_at IS NULL;
    SELECT RAISE(ABORT, 'ck_key_masters_archived_has_archived_at: a key that is archived must have archived_at')
    WHERE NEW.status = 'archived' AND NEW.archived_at IS NULL;
END
