-- Derived from the models by tools/derived_sql.py.
-- The identity columns of a row never change.
CREATE TRIGGER protect_key_master_identity
BEFORE UPDATE OF id, key_id, key_type, algorithm, key_size_bits, created_at ON key_masters
BEGIN
    SELECT RAISE(ABORT, 'protect_key_master_identity: id may not change')
    WHERE NEW.id IS NOT OLD.id;
    SELECT RAISE(ABORT, 'protect_key_master_identity: key_id may not change')
    WHERE NEW.key_id IS NOT OLD.key_id;
    SELECT RAISE(ABORT, 'protect_key_master_identity: key_type may not change')
    WHERE NEW.key_type IS NOT OLD.key_type;
    SELECT RAISE(ABORT, 'protect_key_master_identity: algorithm may not change')
    WHERE NEW.algorithm IS NOT OLD.algorithm;
    SELECT RAISE(ABORT, 'protect_key_master_identity: key_size_bits may not change')
    WHERE NEW.key_size_bits IS NOT OLD.key_size_bits;
    SELECT RAISE(ABORT, 'protect_key_master_identity: created_at may not change')
    WHERE NEW.created_at IS NOT OLD.created_at;
END
