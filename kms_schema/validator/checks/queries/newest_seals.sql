SELECT seals.seal_number, origin, {time_text(sealed_at)}, tree_size, root_hash, previous_seal_hash, verifier_key,
    signature, next_key, compact_range, seals.last_sequence, CAST(open_gaps AS text), snapshot_xmax, system_identifier,
    {tombstone_columns}
FROM {only()} {schema}.key_audit_seals AS seals {tombstones}
ORDER BY seals.seal_number DESC LIMIT {newest}
