-- The entries of leaves below a tombstone are removed, or about to be; the check of the newest seals covers its seal.
-- No signature covers a tombstone without a seal.
AND first_leaf >= coalesce((SELECT max(leaf_count) FROM {only()} {schema}.key_audit_tombstones AS tombstones
    WHERE seal_number IN (SELECT seal_number FROM {only()} {schema}.key_audit_seals AS seals)), 0)
