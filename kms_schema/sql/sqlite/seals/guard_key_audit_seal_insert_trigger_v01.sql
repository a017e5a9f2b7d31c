-- Seals are consecutive, and each is complete before the next. `audit verify` checks the content of a seal. A row that
-- follows the last one replaces none, so REPLACE has no effect. Neither the gaps nor the compact range are larger than those
-- of any seal.
CREATE TRIGGER guard_key_audit_seal_insert
BEFORE INSERT ON key_audit_seals
BEGIN
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: the seal does not follow the last one')
    WHERE NEW.seal_number IS NOT 1 + (SELECT coalesce(max(seal_number), 0) FROM key_audit_seals);
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: the last seal is incomplete: leaves are missing')
    WHERE (SELECT coalesce(max(tree_size), 0) FROM key_audit_seals)
        <> coalesce((SELECT first_leaf + length(hashes) / 32 FROM key_audit_leaves ORDER BY first_leaf DESC LIMIT 1), 0);
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: the audit trail has another origin')
    WHERE NEW.origin <> (SELECT origin FROM key_audit_seals WHERE seal_number = NEW.seal_number - 1);
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: the tree already has as many leaves, and a seal must add some')
    WHERE typeof(NEW.tree_size) <> 'integer' OR NEW.tree_size <= (SELECT coalesce(max(tree_size), 0) FROM key_audit_seals);
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: this sequence has been sealed already')
    WHERE NEW.last_sequence < (SELECT last_sequence FROM key_audit_seals WHERE seal_number = NEW.seal_number - 1);
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: no sequence can follow last_sequence')
    WHERE NEW.last_sequence = 9223372036854775807;
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: compact_range has more than 64 hashes')
    WHERE length(CAST(NEW.compact_range AS BLOB)) > 2048;
    SELECT RAISE(ABORT, 'guard_key_audit_seal_insert: open_gaps has more than 65536 bytes')
    WHERE length(CAST(NEW.open_gaps AS BLOB)) > 65536;
END
