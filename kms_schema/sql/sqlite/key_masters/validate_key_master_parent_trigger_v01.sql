-- The parent exists (checked even with foreign_keys = OFF) and can wrap others, and no chain of parents closes a
-- circle.
CREATE TRIGGER validate_key_master_parent
BEFORE UPDATE OF parent_key_id ON key_masters
WHEN NEW.parent_key_id IS NOT NULL AND NEW.parent_key_id <> NEW.key_id
BEGIN
    SELECT RAISE(ABORT, 'fk_key_masters_parent_key_id_key_masters: there is no such key')
    WHERE NOT EXISTS (SELECT 1 FROM key_masters WHERE key_id = NEW.parent_key_id);
    SELECT RAISE(ABORT, 'validate_key_master_parent: the parent must be a kek or hsm key')
    WHERE NOT EXISTS (
        SELECT 1 FROM key_masters WHERE key_id = NEW.parent_key_id AND key_type IN ('kek', 'hsm')
    );
    SELECT RAISE(ABORT, 'validate_key_master_parent: the parents would close a circle')
    WHERE NEW.key_id IN (
        WITH RECURSIVE chain (link) AS (
            SELECT NEW.parent_key_id
            UNION
            SELECT key_masters.parent_key_id
            FROM chain JOIN key_masters ON key_masters.key_id = chain.link
            WHERE key_masters.parent_key_id IS NOT NULL
        )
        SELECT link FROM chain
    );
END
