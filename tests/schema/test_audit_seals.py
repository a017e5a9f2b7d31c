"""Seals, leaves and subtrees follow each other and have the right sizes; nothing else is taken."""

import psycopg
import pytest

from support.engines.database import Connection
from support.rows.evidence import (
    HASH,
    LEAF_GUARD,
    LEAVES,
    SEAL_GUARD,
    SEALS,
    SUBTREE_GUARD,
    SUBTREES,
    page,
    seal,
    subtree,
)
from support.rows.smallest import Row, in_words, insert
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import (
    UNIQUE_VIOLATION,
    Forbidden,
    refuses_insert,
    stored,
)

pytestmark = pytest.mark.versions("oldest and newest")


@pytest.fixture
def empty(shared: SharedDatabase) -> Connection:
    """A trail of which nothing is sealed."""
    return shared.connection


ACCEPTED_SEALS: list[Row] = [
    {},
    {"verifier_key": "nobody's", "signature": bytes(68)},
    {"origin": "ü" * 255, "verifier_key": "v" * 500, "signature": bytes(68), "next_key": "n" * 500},
    {"tree_size": 2**63 - 1, "last_sequence": 2**63 - 2, "snapshot_xmax": 2**63 - 1, "system_identifier": "9" * 20},
    {"tree_size": 1, "last_sequence": 1, "compact_range": HASH * 64},
    {"open_gaps": [[1, 3, 750], [8, 8, 750]]},
    {"open_gaps": [[2**62 + 2 * n, 2**62 + 2 * n, 2**63 - 1] for n in range(256)]},
]
NO_GAPS = [
    [1],
    [[1, 2]],
    [["1", "2", "3"]],
    [[1, 2, -3]],
    [[1, 2.5, 3]],
    [[1, 2, 2**63]],
    [[1, 2, None]],
    [{"first": 1}],
]


@pytest.mark.parametrize("change", ACCEPTED_SEALS, ids=in_words)
def test_a_sound_seal_is_accepted(empty: Connection, change: Row) -> None:
    insert(empty, SEALS, **seal(**change))
    assert len(stored(empty, SEALS)) == 1


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("gaps", NO_GAPS, ids=str)
def test_what_is_no_gap_is_refused_since_views_read_it(empty: Connection, gaps: list[object]) -> None:
    refuses_insert(empty, SEALS, seal(), Forbidden({"open_gaps": gaps}, SEAL_GUARD))


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("gaps", ["jsonb_agg(number)", "jsonb_build_object('gaps', jsonb_agg(number))"])
def test_gaps_that_print_long_are_refused_without_printing_them(empty: Connection, gaps: str) -> None:
    # A number is made once: to make one prints it.
    once = "WITH one AS MATERIALIZED (SELECT to_jsonb(1e131071) AS number)"
    document = f"({once} SELECT {gaps} FROM one, generate_series(1, 9000))"  # noqa: S608
    row = {name: value for name, value in seal().items() if name != "open_gaps"}
    places = ", ".join(f":{column}" for column in row)
    statement = f"INSERT INTO {SEALS} ({', '.join(row)}, open_gaps) VALUES ({places}, {document})"  # noqa: S608
    with pytest.raises(psycopg.Error) as refusal:
        execute(empty, statement, row)
    assert (refusal.value.sqlstate, refusal.value.diag.constraint_name) == ("23514", SEAL_GUARD)


def test_a_first_seal_has_leaves(shared: SharedDatabase) -> None:
    says_first = SEAL_GUARD if shared.dialect == "sqlite" else "ck_key_audit_seals_tree_size_positive"
    for size in (0, -1):
        refuses_insert(shared.connection, SEALS, seal(), Forbidden({"tree_size": size}, says_first))


def test_a_seal_is_whole_before_the_next(empty: Connection) -> None:
    insert(empty, SEALS, **seal(tree_size=3))
    insert(empty, LEAVES, **page())
    refuses_insert(empty, SEALS, seal(2, 4), Forbidden({}, SEAL_GUARD))
    insert(empty, LEAVES, **page(2, 9, HASH))
    insert(empty, SEALS, **seal(2, 4))


def test_pages_follow_each_other_up_to_the_size_of_the_tree(empty: Connection) -> None:
    refuses_insert(empty, LEAVES, page(), Forbidden({}, LEAF_GUARD))
    insert(empty, SEALS, **seal(tree_size=4))
    insert(empty, LEAVES, **page())
    for change in ({"first_leaf": 0}, {"first_leaf": 1}, {"first_leaf": 3}, {"hashes": 3 * HASH}):
        refuses_insert(empty, LEAVES, page(2, 3), Forbidden(change, LEAF_GUARD))
    again = Forbidden({"first_sequence": 1}, "uq_key_audit_leaves_first_sequence", UNIQUE_VIOLATION)
    refuses_insert(empty, LEAVES, page(2, 3), again)
    insert(empty, LEAVES, **page(2, 3))


def test_subtrees_follow_each_other_as_far_as_they_are_full(empty: Connection) -> None:
    insert(empty, SEALS, **seal(tree_size=511))
    insert(empty, SUBTREES, **subtree())
    for change in ({"position": 0}, {"position": 2}, {}):
        refuses_insert(empty, SUBTREES, subtree(8, 1), Forbidden(change, SUBTREE_GUARD))
    refuses_insert(empty, SUBTREES, subtree(16), Forbidden({}, SUBTREE_GUARD))
    insert(empty, LEAVES, **page(hashes=255 * HASH))
    insert(empty, LEAVES, **page(255, 1000, 256 * HASH))
    insert(empty, SEALS, **seal(2, 512))
    insert(empty, SUBTREES, **subtree(8, 1))
