"""A file can hold values that no column has: each is a fault of its row, and stops nothing."""

import pytest

from tests.audit.tampered import Scene

ON_SQLITE = {
    "a BLOB for a text": ("UPDATE key_audit_logs SET event_type = x'00' WHERE sequence = 5", "5 cannot be read"),
    "an id that is none": ("UPDATE key_audit_logs SET id = 'x' WHERE sequence = 5", "5 cannot be read: id"),
    "an entry without a number": ("UPDATE key_audit_logs SET sequence = 'x' WHERE sequence = 5", "5 was sealed and is"),
    "half a number": (
        "UPDATE key_audit_logs SET sequence = 5.5 WHERE sequence = 5",
        "key_audit_logs has rows with invalid numbers",
    ),
    "a number that is too large": ("UPDATE key_audit_logs SET risk_score = 1 << 40 WHERE sequence = 5", "5 cannot be"),
    "no time": ("UPDATE key_audit_logs SET timestamp = 'today' WHERE sequence = 5", "5 cannot be read: timestamp"),
    "bytes that are no text": (
        "UPDATE key_audit_logs SET user_id = CAST(x'ff' AS TEXT) WHERE sequence = 5",
        "(sequence 5)",
    ),
    "an origin that is no text": (
        "UPDATE key_audit_seals SET origin = CAST(x'ff' AS TEXT) WHERE seal_number = 2",
        "seal 2 cannot",
    ),
    "a seal without a number": (
        "UPDATE key_audit_seals SET seal_number = 'x' WHERE seal_number = 2",
        "key_audit_seals has",
    ),
    "gaps that are no JSON": (
        "UPDATE key_audit_seals SET open_gaps = '[' WHERE seal_number = 2",
        "seal 2 cannot be read",
    ),
    "gaps with a space": (
        "UPDATE key_audit_seals SET open_gaps = '[ ]' WHERE seal_number = 2",
        "its open gaps are not valid",
    ),
    "gaps without end": (
        "UPDATE key_audit_seals SET open_gaps = printf('%.*c', 99999, '[') WHERE seal_number = 2",
        "seal 2 cannot be read",
    ),
    "leaves that are text": (
        "UPDATE key_audit_leaves SET hashes = 'x' WHERE first_leaf = 100",
        "100 on cannot be read",
    ),
    "a page by no number": (
        "UPDATE key_audit_leaves SET first_leaf = 'x' WHERE first_leaf = 100",
        "key_audit_leaves has",
    ),
    "a subtree by no number": ("UPDATE key_audit_subtrees SET position = 'x'", "key_audit_subtrees has"),
    "a subtree that is text": ("UPDATE key_audit_subtrees SET hash = 'x'", "is not that of the leaves"),
}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("change", ON_SQLITE)
def test_what_cannot_be_read_is_named(scene: Scene, change: str) -> None:
    statement, message = ON_SQLITE[change]
    with scene.changed():
        scene.execute(statement)
        assert message in scene.found()
