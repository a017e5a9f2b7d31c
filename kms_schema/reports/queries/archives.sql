-- The archives of removed entries that seals since the start of the period cover.
SELECT archive_sha256 FROM {schema}.key_audit_tombstones
WHERE leaf_count > coalesce((SELECT max(tree_size) FROM {schema}.key_audit_seals WHERE sealed_at < {start}), 0)
ORDER BY seal_number
