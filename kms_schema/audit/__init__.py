"""The audit trail as evidence: bytes of an entry, Merkle tree, signed seals, and proofs. See docs/audit.md."""
