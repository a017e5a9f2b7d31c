SELECT first_leaf, first_sequence, first_sequence + length(hashes) / 32 - 1 AS last_sequence,
    length(hashes) / 32 AS size FROM {only()} {schema}.key_audit_leaves
