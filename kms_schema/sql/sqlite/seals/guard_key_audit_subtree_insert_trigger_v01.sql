-- The subtrees of a level are consecutive, as far as the newest seal's tree fills them. A row that follows the last one
-- replaces none.
CREATE TRIGGER guard_key_audit_subtree_insert
BEFORE INSERT ON key_audit_subtrees
BEGIN
    SELECT RAISE(ABORT, 'guard_key_audit_subtree_insert: this subtree is not the next one of its level')
    WHERE NEW.position IS NOT 1 + (SELECT coalesce(max(position), -1) FROM key_audit_subtrees WHERE level = NEW.level);
    SELECT RAISE(ABORT, 'guard_key_audit_subtree_insert: this subtree is not full yet')
    WHERE NEW.position >= (SELECT coalesce(max(tree_size), 0) FROM key_audit_seals) >> NEW.level;
END
