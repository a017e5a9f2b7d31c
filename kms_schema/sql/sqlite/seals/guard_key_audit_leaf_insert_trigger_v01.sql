-- Pages are consecutive, up to the size of the newest seal's tree. A row that follows the last one replaces none,
-- except one with the same sequence.
CREATE TRIGGER guard_key_audit_leaf_insert
BEFORE INSERT ON key_audit_leaves
BEGIN
    SELECT RAISE(ABORT, 'guard_key_audit_leaf_insert: this leaf is not the next one')
    WHERE NEW.first_leaf
        IS NOT coalesce((SELECT first_leaf + length(hashes) / 32 FROM key_audit_leaves ORDER BY first_leaf DESC LIMIT 1), 0);
    SELECT RAISE(ABORT, 'guard_key_audit_leaf_insert: the newest seal has fewer leaves')
    WHERE NEW.first_leaf + length(NEW.hashes) / 32 > (SELECT coalesce(max(tree_size), 0) FROM key_audit_seals);
    SELECT RAISE(ABORT, 'uq_key_audit_leaves_first_sequence: another row has this first_sequence (REPLACE and upserts are refused)')
    WHERE EXISTS (SELECT 1 FROM key_audit_leaves WHERE first_sequence = NEW.first_sequence);
END
