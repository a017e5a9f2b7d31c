-- The time of the seal over the last removed entry: all removed ones are older.
SELECT min(sealed_at) AS removed_until FROM {schema}.key_audit_seals
WHERE tree_size >= (SELECT max(leaf_count) FROM {schema}.key_audit_tombstones)
