"""Key versions for somebody else, wrapped to a public key. See the page "handover" of the documentation."""
