-- Derived from the models by tools/derived_sql.py.
-- As validate_key_master_parent. A new key closes no circle: no key names it yet.
CREATE TRIGGER validate_key_master_parent_insert
BEFORE INSERT ON key_masters
WHEN NEW.parent_key_id IS NOT NULL AND NEW.parent_key_id <> NEW.key_id
BEGIN
    SELECT RAISE(ABORT, 'fk_key_masters_parent_key_id_key_masters: there is no such key')
    WHERE NOT EXISTS (SELECT 1 FROM key_masters WHERE key_id = NEW.parent_key_id);
    SELECT RAISE(ABORT, 'validate_key_master_parent: the parent must be a kek or hsm key')
    WHERE NOT EXISTS (
        SELECT 1 FROM key_masters WHERE key_id = NEW.parent_key_id AND key_type IN ('kek', 'hsm')
    );
END
