-- A tombstone covers entries from the start of the audit log; all of them are sealed and past their retention period.
-- It belongs to the newest seal, which must be signed. `audit verify` checks that the signature covers the tombstone,
-- and which key made it. A tombstone that reaches further than the last one replaces no row.
CREATE TRIGGER guard_key_audit_tombstone_insert
BEFORE INSERT ON key_audit_tombstones
BEGIN
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: a tombstone belongs to the newest seal, which must be signed')
    WHERE NEW.seal_number IS NOT (
        SELECT seal_number FROM key_audit_seals
        WHERE seal_number = (SELECT max(seal_number) FROM key_audit_seals) AND signature IS NOT NULL
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: an earlier tombstone already covers these entries')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_tombstones
        WHERE leaf_count >= NEW.leaf_count OR last_sequence >= NEW.last_sequence OR seal_number >= NEW.seal_number
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: no page of leaves ends with this leaf and sequence')
    WHERE NOT EXISTS (
        SELECT 1 FROM key_audit_leaves
        WHERE first_leaf + length(hashes) / 32 = NEW.leaf_count AND first_sequence + length(hashes) / 32 - 1 = NEW.last_sequence
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: an entry before this sequence is sealed later')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_leaves WHERE (first_leaf < NEW.leaf_count) <> (first_sequence <= NEW.last_sequence)
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: the retention period of an entry has not ended')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_logs AS entry
        WHERE entry.sequence <= NEW.last_sequence AND (
            strftime('%Y-%m-%dT%H:%M:%f', substr(entry."timestamp", 1, 23), '+' || entry.retention_period_days || ' days')
                <= strftime('%Y-%m-%dT%H:%M:%f', 'now')
        ) IS NOT 1
    );
END
