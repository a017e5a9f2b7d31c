"""key_audit_trail shows each entry with its place in the tree, its hash and its seal, or that it has none yet."""

import re
import sqlite3
from contextlib import closing

import psycopg
import pytest

from kms_schema.audit.formats.checkpoints import LARGEST
from kms_schema.audit.formats.encoding import leaf_hash, sequence_of
from kms_schema.audit.sealing.sealer import seal
from kms_schema.audit.storage.postgresql.transactions import OpenPostgresqlTrail
from kms_schema.audit.storage.sqlite.transactions import OpenSqliteTrail
from kms_schema.audit.storage.transactions import OpenTrail
from support.engines import Database
from support.engines.database import Connection
from support.rows.evidence import LEAVES
from support.rows.smallest import audit_entry, insert
from support.statements import execute

pytestmark = pytest.mark.versions("oldest and newest")

PLACES = "SELECT sequence, leaf_index, leaf_hash, seal_number FROM key_audit_trail ORDER BY sequence"


def trail_of(connection: Connection) -> OpenTrail:
    if isinstance(connection, sqlite3.Connection):
        return OpenSqliteTrail(connection)
    return OpenPostgresqlTrail(connection, "public")


def places(connection: Connection) -> dict[int, tuple[int, bytes, int]]:
    """Return leaf index, leaf hash and seal of each sequence."""
    return {row[0]: tuple(row[1:]) for row in execute(connection, PLACES).fetchall()}


def hashes(trail: OpenTrail) -> dict[int, bytes]:
    with trail.reading() as opened:
        return {sequence_of(entry): leaf_hash(entry) for entry in map(bytes, opened.entries.read(1, LARGEST))}


def add(connection: Connection, count: int) -> None:
    for _ in range(count):
        insert(connection, "key_audit_logs", **audit_entry())


def test_an_entry_has_its_leaf_hash_and_seal_once_it_is_sealed(database: Database) -> None:
    with closing(database.connect()) as connection:
        trail = trail_of(connection)
        add(connection, 2)
        assert set(places(connection).values()) == {(None, None, None)}
        list(seal(trail))
        add(connection, 2)
        list(seal(trail))
        add(connection, 1)
        expected, found = hashes(trail), places(connection)
        *sealed, last = sorted(expected)
        assert found[last] == (None, None, None)
        assert [found[each] for each in sealed] == [
            (index, expected[each], 1 if index < 3 else 2) for index, each in enumerate(sealed)
        ]


@pytest.mark.only_on("postgresql")
def test_stragglers_and_gaps_are_in_the_order_of_seals(database: Database) -> None:
    """On PostgreSQL a rolled-back number stays free, and a late one gets its leaf in a later seal."""
    with closing(database.connect()) as connection, closing(database.connect()) as late:
        assert isinstance(connection, psycopg.Connection)
        trail = trail_of(connection)
        execute(late, "BEGIN")
        add(late, 1)
        execute(connection, "BEGIN")
        add(connection, 1)
        execute(connection, "ROLLBACK")
        add(connection, 1)
        list(seal(trail))
        execute(late, "COMMIT")
        add(connection, 1)
        list(seal(trail))
        expected, found = hashes(trail), places(connection)
        first, straggler, after_gap, newest = sorted(expected)
        assert after_gap == straggler + 2
        order = {first: (0, 1), after_gap: (1, 1), straggler: (2, 2), newest: (3, 2)}
        assert found == {each: (leaf, expected[each], number) for each, (leaf, number) in order.items()}


def plan(connection: Connection, condition: str) -> str:
    text = f"SELECT * FROM key_audit_trail WHERE {condition}"  # noqa: S608
    if isinstance(connection, sqlite3.Connection):
        return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}"))
    return "\n".join(row[0] for row in execute(connection, f"EXPLAIN {text}"))


def test_one_entry_is_looked_up_by_indexes(database: Database) -> None:
    with closing(database.connect()) as connection:
        (entry_id,) = execute(connection, "SELECT id FROM key_audit_logs").fetchone()
        if database.dialect == "postgresql":  # of a few rows nobody would read an index
            execute(connection, "SET enable_seqscan = off")
        for condition in (f"id = '{entry_id}'", "sequence = 1"):
            said = plan(connection, condition)
            assert "Seq Scan" not in said
            assert "Disabled" not in said
            assert not any(line.startswith("SCAN") and line != "SCAN CONSTANT ROW" for line in said.splitlines()), said
            assert re.search(f"uq_{LEAVES}_first_sequence|SEARCH (TABLE )?key_audit_leaves", said), said
