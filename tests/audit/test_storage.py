"""The storage of the trail does the same on both engines: each method, on a trail of 300 entries under two seals."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from kms_schema.audit.formats.encoding import Unreadable, leaf_hash, sequence_of
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.records import UNIQUE_KEYS, Page, Subtree
from kms_schema.audit.storage.transactions import Snapshot
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import insert, key_master
from support.statements import execute
from tests.audit.trails import open_trail, seal_all, write

SEALED = (259, 40)
"""So many entries, beside that of the upgrade: the first seal completes a stored subtree of 256 leaves."""
UNSEALED = 2


@pytest.fixture
def snapshot(database: Database) -> Iterator[Snapshot]:
    with closing(database.connect()) as connection:
        for count in SEALED:
            write(connection, count)
            seal_all(connection)
        write(connection, UNSEALED)
        with open_trail(connection).reading() as trail:
            yield trail


def test_seals(snapshot: Snapshot) -> None:
    first, last = snapshot.seals.get(1), snapshot.seals.last()
    assert first is not None
    assert last is not None
    assert (first.number, first.tree_size, last.number, last.tree_size) == (1, 260, 2, 300)
    assert [list(row)[:1] for row in snapshot.seals.rows()] == [[1], [2]]
    assert snapshot.seals.readable_last() == last
    assert snapshot.seals.get(3) is snapshot.seals.get(1 << 70) is snapshot.seals.last_with_tombstone() is None
    assert snapshot.seals.changes_of_key() == []
    assert snapshot.tombstones.newest() is None


def test_the_tree(snapshot: Snapshot) -> None:
    tree = snapshot.tree
    pages = tree.pages(0, 10)
    shapes = [(page.first_leaf, page.first_sequence, page.size) for page in pages]
    assert shapes == [(0, 1, 256), (256, 257, 4), (260, 261, 40)]
    assert all(type(page) is Page and page.whole for page in pages)
    assert tree.pages(1, 1) == pages[1:2] == tree.pages_by_sequence(1, 1)
    assert tree.pages_by_sequence(0, 10) == pages
    assert [tree.page_of_sequence(each) for each in (0, 1, 256, 300, 301)] == [None, pages[0], pages[0], pages[2], None]
    assert tree.pages_over(255, 256) == pages[:2]
    (subtree,) = tree.subtrees(8)
    assert type(subtree) is Subtree
    assert (subtree.level, subtree.position, len(subtree.hash)) == (8, 0, 32)
    assert tree.subtrees_at(8, 0, 0) == [subtree]
    assert list(tree.subtrees(16)) == tree.subtrees_at(8, 1, 9) == []
    assert [tree.is_cut(*cut) for cut in ((260, 260), (256, 256), (259, 259), (260, 261))] == [True, True, False, False]
    assert [tree.count_leaves(0, 300), tree.count_leaves(256, 260), tree.count_leaves(0, 0)] == [300, 4, 0]
    assert [tree.last_cut(each) for each in (300, 260, 0)] == [(300, 300), (260, 260), None]


def test_entries(snapshot: Snapshot) -> None:
    entries = snapshot.entries
    read = list(entries.read(1, 302))
    assert [sequence_of(entry) for entry in read] == list(range(1, 303))
    assert not any(isinstance(entry, Unreadable) for entry in read)
    assert b"".join(map(leaf_hash, read[:256])) == snapshot.tree.pages(0, 1)[0].hashes
    assert list(entries.whole(entries.pieces(5, 6))) == read[4:6]
    assert list(entries.chosen([302, 1, 999])) == [read[0], read[301]]
    assert entries.first_id() is not None
    assert entries.sequence_of(uuid.UUID(entries.first_id())) == 1
    assert entries.sequence_of(uuid.uuid4()) is entries.key("absent") is None
    assert [entries.count(each) for each in (0, 1, 999)] == [0, 1, 302]
    assert [entries.exist(each) for each in (0, 1)] == [False, True]
    assert [sequence_of(entry) for entry in entries.unsealed(300, (), 1)] == [301]
    assert entries.count_unsealed(300, ()) == snapshot.count_in_table(300) == UNSEALED


def test_a_whole_trail_has_no_unreachable_rows_and_whole_indexes(snapshot: Snapshot) -> None:
    assert list(snapshot.unreachable_rows()) == list(snapshot.against_time()) == []
    for table, keys in UNIQUE_KEYS.items():
        assert [list(snapshot.not_indexed(table, key)) for key in keys] == [[]] * len(keys)
    assert snapshot.retention.first_retained(0) == 0
    assert snapshot.retention.first_left() is None


def test_queries_of_others(snapshot: Snapshot) -> None:
    assert snapshot.table("SELECT 1 AS one, NULL AS absent") == (["one", "absent"], [(1, None)])
    assert [rows for rows in snapshot.stream("SELECT 1 AS one") if snapshot.now() > "2000"] == [[(1,)]]


def fail_after_writing(connection: Connection, values: dict[str, object]) -> None:
    with open_trail(connection).writing() as transaction:
        transaction.entries.insert(values)
        raise ZeroDivisionError


def test_a_transaction_commits_unless_an_exception_ends_it(database: Database) -> None:
    with closing(database.connect()) as connection:
        insert(connection, "key_masters", **key_master(key_id="known"))
        with open_trail(connection).writing() as transaction:
            known = transaction.entries.key("known")
            values = {"event_type": "X", "event_category": "LIFECYCLE", "event_description": "x", "key_id": known}
            sequence = transaction.entries.insert(values)
            assert [sequence_of(entry) for entry in transaction.entries.read(sequence, sequence)] == [sequence]
        assert execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchone() == (sequence,)
        (made,) = seal_all(connection)
        with pytest.raises(ZeroDivisionError):
            fail_after_writing(connection, values)
        with open_trail(connection).reading() as snapshot:
            assert snapshot.entries.count_unsealed(made.last_sequence, ()) == 0


def test_a_connection_in_a_transaction_is_refused(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "BEGIN")
        with pytest.raises(TrailError, match="is in a transaction"):
            open_trail(connection)
