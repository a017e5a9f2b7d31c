-- A tombstone covers the first leaves of the tree; the entries of all of them are past their retention period. It ends
-- with the leaf of the highest sequence among them, and all their entries are there. An entry with a lower sequence
-- that was sealed later, or is not sealed yet, stays.
--
-- A tombstone belongs to the newest seal, which must be signed. `audit verify` checks that the signature covers the
-- tombstone, and which key made it. A tombstone that reaches further than the last one replaces no row.
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
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: these leaves have a higher sequence')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_leaves WHERE first_leaf < NEW.leaf_count AND first_sequence > NEW.last_sequence
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: the retention period of an entry has not ended')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_leaves AS page
        CROSS JOIN key_audit_logs AS entry
            ON entry.sequence BETWEEN page.first_sequence AND page.first_sequence + length(page.hashes) / 32 - 1
        WHERE page.first_leaf >= (SELECT coalesce(max(leaf_count), 0) FROM key_audit_tombstones)
            AND page.first_leaf < NEW.leaf_count AND (
            strftime('%Y-%m-%dT%H:%M:%f', substr(entry."timestamp", 1, 23), '+' || entry.retention_period_days || ' days')
                <= strftime('%Y-%m-%dT%H:%M:%f', 'now')
        ) IS NOT 1
    );
    SELECT RAISE(ABORT, 'guard_key_audit_tombstone_insert: an entry of these leaves is gone')
    WHERE EXISTS (
        SELECT 1 FROM key_audit_leaves AS page
        WHERE page.first_leaf >= (SELECT coalesce(max(leaf_count), 0) FROM key_audit_tombstones)
            AND page.first_leaf < NEW.leaf_count
            AND length(page.hashes) / 32 <> (
                SELECT count(*) FROM key_audit_logs
                WHERE sequence BETWEEN page.first_sequence AND page.first_sequence + length(page.hashes) / 32 - 1
            )
    );
END
