"""Changes of a sealed trail by its owner, and the fault that each is reported as."""

CHANGES: dict[str, tuple[str, str]] = {
    "an entry removed": ("DELETE FROM key_audit_logs WHERE sequence = 150", "sequence 150 was sealed and is gone"),
    "entries swapped": (
        "UPDATE key_audit_logs SET sequence = 9000 WHERE sequence = 7;"
        " UPDATE key_audit_logs SET sequence = 7 WHERE sequence = 8;"
        " UPDATE key_audit_logs SET sequence = 8 WHERE sequence = 9000",
        "(sequence 7) is not what was sealed",
    ),
    "an entry moved to the end": (
        "UPDATE key_audit_logs SET sequence = 9000 WHERE sequence = 7", "sequence 7 was sealed and is gone",
    ),
    "all entries removed": ("DELETE FROM key_audit_logs", "sequence 1 was sealed and is gone"),
    "the first seal removed": ("DELETE FROM key_audit_seals WHERE seal_number = 1", "seal 2: the seals before it"),
    "a middle seal removed": ("DELETE FROM key_audit_seals WHERE seal_number = 2", "seal 3: it comes after seal 1"),
    "the last seal removed": ("DELETE FROM key_audit_seals WHERE seal_number > 2", "belong to no seal"),
    "a seal signed like another": (
        "UPDATE key_audit_seals SET signature = (SELECT signature FROM key_audit_seals WHERE seal_number = 1)",
        "seal 2: its signature is not one of",
    ),
    "the signature of the last seal stripped": (
        "UPDATE key_audit_seals SET signature = NULL, verifier_key = NULL"
        " WHERE seal_number = (SELECT max(seal_number) FROM key_audit_seals)",
        "it is not signed",
    ),
    "half a signature": (
        "UPDATE key_audit_seals SET verifier_key = NULL WHERE seal_number = 2", "seal 2: its signature is incomplete",
    ),
    "a page removed": ("DELETE FROM key_audit_leaves WHERE first_leaf = 100", "leaves from 100 on are gone"),
    "a page added": (
        "INSERT INTO key_audit_leaves SELECT 5000, 5000, hashes FROM key_audit_leaves WHERE first_leaf = 0",
        "the leaves from 5000 on belong to no seal",
    ),
    "a page of entries that are in another": (
        "INSERT INTO key_audit_leaves SELECT 5000, 50, hashes FROM key_audit_leaves WHERE first_leaf = 0",
        "are for sequences that have other leaves",
    ),
    "a page without leaves": (
        "UPDATE key_audit_leaves SET hashes = NULL WHERE first_leaf = 100", "the leaves from 100 on cannot be read",
    ),
    "a page with half a hash": (
        "UPDATE key_audit_leaves SET hashes = substr(hashes, 1, 50) WHERE first_leaf = 100",
        "the leaves from 100 on cannot be read",
    ),
    "a page at the end of numbers": (
        "UPDATE key_audit_leaves SET first_leaf = 9223372036854775807, first_sequence = 9223372036854775807"
        " WHERE first_leaf = 100",
        "the leaves from 100 on are gone",
    ),
    "a page before the first": (
        "UPDATE key_audit_leaves SET first_leaf = -1 WHERE first_leaf = 0",
        "key_audit_leaves has rows with invalid numbers, which no read finds: 1",
    ),
    "a subtree removed": ("DELETE FROM key_audit_subtrees", "the 256 leaves from 0 on is gone"),
    "a subtree added": (
        "INSERT INTO key_audit_subtrees SELECT 16, 0, hash FROM key_audit_subtrees",
        "the 65536 leaves from 0 on is not that of the leaves",
    ),
    "a subtree of no level": (
        "UPDATE key_audit_subtrees SET level = -8",
        "key_audit_subtrees has rows with invalid numbers, which no read finds: 1",
    ),
    "a seal without what it needs": (
        "UPDATE key_audit_seals SET origin = NULL WHERE seal_number = 2",
        "seal 2 cannot be read: origin is of the type NoneType",
    ),
    "an origin of two lines": (
        "UPDATE key_audit_seals SET origin = 'a\nb' WHERE seal_number = 2",
        "seal 2 cannot be read: the origin and the extensions of a checkpoint must be lines",
    ),
    "a root of others": (
        "UPDATE key_audit_seals SET root_hash = previous_seal_hash WHERE seal_number = 2",
        "seal 2: its root is not that of the leaves",
    ),
    "gaps that are none": (
        "UPDATE key_audit_seals SET open_gaps = '[[1, 2]]' WHERE seal_number = 2",
        "seal 2 cannot be read: its open gaps are not valid",
    ),
    "gaps that are written otherwise": (
        "UPDATE key_audit_seals SET open_gaps = '[[1.0, 2, 3]]' WHERE seal_number = 2",
        "seal 2 cannot be read: its open gaps are not valid",
    ),
    "a key that is none": (
        "UPDATE key_audit_seals SET verifier_key = 'x' WHERE seal_number = 3",
        "seal 3 cannot be read: not an Ed25519 verifier key",
    ),
    "a range of another size": (
        "UPDATE key_audit_seals SET compact_range = root_hash WHERE seal_number = 3",
        "seal 3 cannot be read: a tree of",
    ),
    "a last seal that cannot be read": (
        "UPDATE key_audit_seals SET root_hash = NULL WHERE seal_number = 4",
        "seal 4 cannot be read: root_hash is of the type NoneType",
    ),
}  # fmt: skip
