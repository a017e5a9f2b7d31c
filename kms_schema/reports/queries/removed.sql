SELECT tombstone.seal_number, tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256
FROM {schema}.key_audit_tombstones AS tombstone ORDER BY tombstone.seal_number
