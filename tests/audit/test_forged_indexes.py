"""Indexes that lack rows, or have rows of their own: verification reads the tables, and the validator compares both."""

# ruff: noqa: S608  (the names in these statements are the module's own)

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kms_schema.database.query_plans import SCAN, settings
from kms_schema.validator import validate
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.owners import Owned, owned
from tests.audit.totals import assert_exact
from tests.audit.trails import seal_all, some, write

SEQUENCES = "uq_key_audit_logs_sequence"
INDEXES = {
    "pk_key_audit_logs": "{id}",
    "idx_key_audit_logs_history": "history",
    "idx_key_audit_logs_timestamp": "a BRIN index of times",
    "idx_key_audit_high_risk_partial": "partial",
}


@contextmanager
def without_index(connection: Connection, index: str) -> Iterator[None]:
    """Hide an index from the writes in the block, as a superuser can."""
    for ready in ("false", "true"):
        execute(connection, f"UPDATE pg_index SET indisready = {ready} WHERE indexrelid = '{index}'::regclass")
        if ready == "false":
            yield


def forge(connection: Connection, sequence: int) -> None:
    """Restore an entry into a number that is free."""
    execute(
        connection,
        "SET kms.restore = on; INSERT INTO key_audit_logs (id, sequence, event_type, event_category, event_description,"
        f" timestamp, recorded_by, risk_score) VALUES (gen_random_uuid(), {sequence}, 'X', 'SECURITY', 'forged', now(),"
        " 'alice', 99); RESET kms.restore",
    )


@pytest.fixture
def trail(database: Database) -> Iterator[Owned]:
    """A sealed trail, on PostgreSQL with a number that a rollback left free."""
    with owned(database) as opened:
        if not isinstance(opened.connection, sqlite3.Connection):
            execute(opened.connection, "BEGIN")
            write(opened.connection, 1)
            execute(opened.connection, "ROLLBACK")
        write(opened.connection, 2)
        seal_all(opened.connection)
        write(opened.connection, 1)
        seal_all(opened.connection)
        yield opened


def indexes_found(connection: Connection) -> dict[str, str]:
    findings = validate(connection, level="data").findings
    assert not [each for each in findings if each.code == "KMS901" and "index" in each.object]
    return {each.object: each.actual for each in findings if each.code == "KMS518"}


def remedied(connection: Connection) -> None:
    for finding in validate(connection, level="data").findings:
        if finding.code == "KMS518":
            assert finding.remediation is not None
            execute(connection, finding.remediation)


def free_number(connection: Connection) -> int:
    ((free,),) = execute(
        connection,
        "SELECT min(s) FROM generate_series(1, (SELECT max(sequence) FROM key_audit_logs)) AS s"
        " WHERE s NOT IN (SELECT sequence FROM key_audit_logs)",
    ).fetchall()
    return int(free)


@pytest.mark.only_on("postgresql")
def test_an_entry_that_the_index_of_sequences_lacks_is_found(trail: Owned) -> None:
    """Everybody sees it: a scan of the table finds it."""
    assert (trail.verified(), indexes_found(trail.connection)) == ("sound", {})
    free = free_number(trail.connection)
    with without_index(trail.connection, SEQUENCES):
        forge(trail.connection, free)
    execute(trail.connection, "UPDATE key_audit_daily_totals SET event_count = event_count + 0")
    execute(trail.connection, settings(SCAN).replace("LOCAL ", ""))
    assert execute(trail.connection, f"SELECT 1 FROM key_audit_logs WHERE sequence = {free}").fetchall() == [(1,)]
    # As for a table of any size, or in a database whose owner has set this.
    execute(trail.connection, "RESET ALL; SET enable_seqscan = off; SET enable_sort = off")
    assert f"key_audit_logs has a row, sequence {free}, that is not in the index of sequence" in trail.verified()
    found = indexes_found(trail.connection)
    assert found.keys() == {f"index {SEQUENCES}"}
    assert "finds " in found[f"index {SEQUENCES}"]
    remedied(trail.connection)
    assert indexes_found(trail.connection) == {}
    assert f"(sequence {free}) was never sealed, although later ones were" in trail.verified()


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("oldest and newest")
@pytest.mark.parametrize("index", some(INDEXES, "idx_key_audit_logs_timestamp", "idx_key_audit_high_risk_partial"))
def test_an_entry_that_another_index_hides_is_found(trail: Owned, index: str) -> None:
    with without_index(trail.connection, index):
        write(trail.connection, 1)
        execute(
            trail.connection,
            "INSERT INTO key_audit_logs (event_type, event_category, event_description, security_level, risk_score)"
            " VALUES ('X', 'SECURITY', 'hidden', 'CRITICAL', 99)",
        )
    seal_all(trail.connection)
    assert trail.verified() == "sound"
    assert indexes_found(trail.connection).keys() == {f"index {index}"}
    remedied(trail.connection)
    assert indexes_found(trail.connection) == {}
    assert_exact(trail.connection)


EVIDENCE = {
    "pk_key_audit_seals": "INSERT INTO key_audit_seals SELECT 99, origin, sealed_at, tree_size + 1, root_hash,"
    " previous_seal_hash, verifier_key, signature, next_key, compact_range, last_sequence, open_gaps, snapshot_xmax,"
    " system_identifier FROM key_audit_seals ORDER BY seal_number DESC LIMIT 1",
    "pk_key_audit_leaves": "INSERT INTO key_audit_leaves SELECT first_leaf + 9000, first_sequence + 9000, hashes"
    " FROM key_audit_leaves ORDER BY 1 LIMIT 1",
    "uq_key_audit_leaves_first_sequence": "INSERT INTO key_audit_leaves SELECT first_leaf + 9000,"
    " first_sequence + 9000, hashes FROM key_audit_leaves ORDER BY 1 LIMIT 1",
    "pk_key_audit_subtrees": "INSERT INTO key_audit_subtrees SELECT 8, 77, root_hash FROM key_audit_seals LIMIT 1",
    "pk_key_audit_tombstones": "INSERT INTO key_audit_tombstones SELECT seal_number, 1, 1, root_hash"
    " FROM key_audit_seals ORDER BY 1 LIMIT 1",
}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("index", some(EVIDENCE, "pk_key_audit_seals", "uq_key_audit_leaves_first_sequence"))
def test_evidence_that_an_index_hides_is_found(trail: Owned, index: str) -> None:
    with triggers_disabled(trail.connection), without_index(trail.connection, index):
        execute(trail.connection, EVIDENCE[index])
    assert "that is not in the index of" in trail.verified()
    assert f"index {index}" in indexes_found(trail.connection)


@pytest.mark.only_on("postgresql")
def test_amcheck_is_asked_where_it_is_installed(trail: Owned) -> None:
    execute(trail.connection, "CREATE EXTENSION amcheck")
    assert indexes_found(trail.connection) == {}
    with without_index(trail.connection, "pk_key_audit_logs"):
        write(trail.connection, 1)
    assert "amcheck: heap tuple" in indexes_found(trail.connection)["index pk_key_audit_logs"]


@pytest.mark.only_on("postgresql")
def test_a_second_entry_with_a_number_is_found(trail: Owned) -> None:
    """The index would refuse it."""
    with without_index(trail.connection, SEQUENCES):
        forge(trail.connection, trail.sequence)
    execute(trail.connection, "SET enable_seqscan = off; SET enable_sort = off")
    assert f"has a row, sequence {trail.sequence}, that is not in the index of sequence" in trail.verified()
    assert f"index {SEQUENCES}" in indexes_found(trail.connection)


@contextmanager
def without_index_on_sqlite(connection: sqlite3.Connection, index: str, constraint: str = "") -> Iterator[None]:
    """Take an index out of the schema for the writes in the block, and put it back as it was."""
    (kept,) = connection.execute("SELECT * FROM sqlite_schema WHERE name = ?", (index,)).fetchall()
    table = "key_audit_logs"
    ((text,),) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchall()
    for without in (True, False):
        connection.execute("PRAGMA writable_schema = on")
        if without:
            connection.execute("DELETE FROM sqlite_schema WHERE name = ?", (index,))
        else:
            connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", kept)
        written = text.replace(constraint, "") if without and constraint else text
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (written, table))
        ((version,),) = connection.execute("PRAGMA schema_version")
        connection.execute(f"PRAGMA schema_version = {version + 1}")
        connection.execute("PRAGMA writable_schema = off")
        if without:
            yield


@pytest.mark.only_on("sqlite")
def test_an_entry_that_the_index_of_sequences_lacks_is_found_on_sqlite(trail: Owned) -> None:
    assert isinstance(trail.connection, sqlite3.Connection)
    assert (trail.verified(), indexes_found(trail.connection)) == ("sound", {})
    unique = "CONSTRAINT uq_key_audit_logs_sequence UNIQUE (sequence),"
    with (
        triggers_disabled(trail.connection),
        without_index_on_sqlite(trail.connection, "sqlite_autoindex_key_audit_logs_2", unique),
    ):
        execute(
            trail.connection,
            "INSERT INTO key_audit_logs (sequence, event_type, event_category, event_description)"
            f" VALUES ({trail.sequence}, 'X', 'SECURITY', 'forged')",
        )
    rows = execute(trail.connection, "SELECT sequence, event_description FROM key_audit_logs").fetchall()
    assert [row[0] for row in rows].count(trail.sequence) == 2
    assert "entries in the table, but" in trail.verified()
    assert indexes_found(trail.connection).keys() == {"table key_audit_logs"}


@pytest.mark.only_on("sqlite")
def test_an_entry_that_another_index_hides_is_found_on_sqlite(trail: Owned) -> None:
    assert isinstance(trail.connection, sqlite3.Connection)
    with without_index_on_sqlite(trail.connection, "idx_key_audit_logs_history"):
        write(trail.connection, 1)
    seal_all(trail.connection)
    assert trail.verified() == "sound"
    assert "idx_key_audit_logs_history" in indexes_found(trail.connection)["table key_audit_logs"]
    remedied(trail.connection)
    assert indexes_found(trail.connection) == {}


@pytest.mark.only_on("sqlite")
def test_an_index_page_that_was_overwritten_is_found(database: Database) -> None:
    with owned(database) as trail:
        execute(trail.connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        name = "idx_key_audit_logs_history"
        ((page, size),) = execute(
            trail.connection,
            f"SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = '{name}'",
        ).fetchall()
    content = bytearray(Path(database.name).read_bytes())
    begin = (page - 1) * size
    cells = int.from_bytes(content[begin + 3 : begin + 5], "big")
    content[begin + 3 : begin + 5] = (cells - 1).to_bytes(2, "big")
    Path(database.name).write_bytes(content)
    with closing(database.connect()) as connection:
        assert "idx_key_audit_logs_history" in indexes_found(connection)["table key_audit_logs"]
