LEFT JOIN {only()} {schema}.key_audit_tombstones AS tombstone ON tombstone.seal_number = seals.seal_number
