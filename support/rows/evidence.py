"""The smallest rows of the tables that prove the trail, for a trail of which nothing is sealed."""

from typing import Any

from support.engines.database import Connection
from support.rows.smallest import Row, insert, now

SEALS, LEAVES, SUBTREES = "key_audit_seals", "key_audit_leaves", "key_audit_subtrees"
SEAL_GUARD, LEAF_GUARD = "guard_key_audit_seal_insert", "guard_key_audit_leaf_insert"
SUBTREE_GUARD = "guard_key_audit_subtree_insert"
HASH = b"\x5e" * 32


def seal(seal_number: int = 1, tree_size: int = 2, **over: Any) -> Row:
    """Return a seal that nobody signed."""
    return {
        "seal_number": seal_number,
        "origin": "kms.example/audit",
        "sealed_at": now(),
        "tree_size": tree_size,
        "root_hash": HASH,
        "previous_seal_hash": HASH,
        "verifier_key": None,
        "signature": None,
        "next_key": None,
        "compact_range": HASH,
        "last_sequence": 10 * seal_number,
        "open_gaps": [],
        "snapshot_xmax": None,
        "system_identifier": None,
        **over,
    }


def page(first_leaf: int = 0, first_sequence: int = 1, hashes: bytes = 2 * HASH) -> Row:
    """Return the first page of a seal over two leaves."""
    return {"first_leaf": first_leaf, "first_sequence": first_sequence, "hashes": hashes}


def subtree(level: int = 8, position: int = 0, **over: Any) -> Row:
    """Return the first subtree of 256 leaves."""
    return {"level": level, "position": position, "hash": HASH, **over}


def whole_seal(connection: Connection) -> None:
    """Insert a first seal, over two leaves, and these."""
    insert(connection, SEALS, **seal())
    insert(connection, LEAVES, **page())


def inserting(table: str, row: Row, verb: str = "INSERT") -> str:
    """Return the statement that inserts `row`, with a place for each column."""
    return f"{verb} INTO {table} ({', '.join(row)}) VALUES ({', '.join(f':{column}' for column in row)})"
