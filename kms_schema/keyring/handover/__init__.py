"""Key versions that are handed to somebody else, wrapped to a public key of the receiver. See docs/handover.md."""
