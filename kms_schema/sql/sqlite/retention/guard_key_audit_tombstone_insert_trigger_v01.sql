-- A tombstone is for a beginning of the trail, all of which is sealed and past its retention period. It comes with the
-- newest seal, which has to be signed; whether it is signed over this tombstone, and by whom, `audit verify` looks at. A
-- row that reaches further than the last one displaces none.
CREATE TRIGGER guard_key_audit_tombstone_insert
BEFORE INSERT ON key_audit_tombstones
BEGIN
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: it comes with the newest seal, and that is signed')
    WHERE NEW.seal_number IS NOT (
        SELECT seal_number FROM key_audit_seals
        WHERE seal_number = (SELECT max(seal_number) FROM key_audit_seals) AND signature IS NOT NULL
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: an earlier tombstone reaches as far')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_tombstones
        WHERE leaf_count >= NEW.leaf_count OR last_sequence >= NEW.last_sequence OR seal_number >= NEW.seal_number
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: no page of leaves ends there')
    WHERE NOT EXISTS (
        SELECT 1 FROM key_audit_leaves
        WHERE first_leaf + length(hashes) / 32 = NEW.leaf_count AND first_sequence + length(hashes) / 32 - 1 = NEW.last_sequence
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: an earlier entry was sealed later')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_leaves WHERE (first_leaf < NEW.leaf_count) <> (first_sequence <= NEW.last_sequence)
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: an entry is to be kept for longer')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_logs AS entry
        WHERE entry.sequence <= NEW.last_sequence AND (
            strftime('%Y-%m-%dT%H:%M:%f', substr(entry."timestamp", 1, 23), '+' || entry.retention_period_days || ' days')
                <= strftime('%Y-%m-%dT%H:%M:%f', 'now')
        ) IS NOT 1
    );
END
