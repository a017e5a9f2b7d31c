"""Tombstones that no signature covers: nothing that they name counts as removed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from kms_schema.audit.proofs.prover import CannotProveError, prove_inclusion
from kms_schema.audit.retention.retain import expired
from kms_schema.validator import validate
from support.engines import Database
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.retaining import EXPIRED, Retaining, retaining
from tests.audit.trails import KEY, faults, open_trail, verified, written_sequences

ORPHAN = "key_audit_tombstones has rows with invalid numbers, which no read finds: 1"
COVERED = """INSERT INTO key_audit_tombstones (seal_number, leaf_count, last_sequence, archive_sha256)
SELECT 9999, first_leaf + length(hashes) / 32, first_sequence + length(hashes) / 32 - 1, substr(hashes, 1, 32)
FROM key_audit_leaves WHERE first_leaf = 0"""


@pytest.fixture
def place(database: Database) -> Iterator[Retaining]:
    with retaining(database) as made:
        yield made


def test_a_tombstone_of_no_seal_covers_nothing(place: Retaining) -> None:
    """The owner takes the foreign key away: a seal's signature would not cover the tombstone."""
    place.write()
    with closing(place.database.connect()) as connection:
        with open_trail(connection).reading() as trail:
            cut = expired(trail)
        with triggers_disabled(connection):
            if isinstance(connection, sqlite3.Connection):
                execute(connection, "PRAGMA foreign_keys = OFF")
            execute(connection, COVERED)
            with open_trail(connection).reading() as trail:
                assert expired(trail) == cut
            execute(connection, "DELETE FROM key_audit_logs WHERE sequence = 2")
            execute(connection, "UPDATE key_audit_daily_totals SET event_count = event_count - 1 WHERE risk_score = 0")
        found = [each.message for each in faults(connection, trusted=(KEY.verifier,))]
        assert found == [ORPHAN, "the entry with sequence 2 was sealed and is gone, or is hidden from this role"]
        codes = {each.code for each in validate(connection, level="data").findings}
        assert "KMS513" in codes
        with open_trail(connection).reading() as trail, pytest.raises(CannotProveError, match="there is no entry 2"):
            prove_inclusion(trail, 2)


def test_everything_before_the_end_of_such_a_tombstone_is_missed(place: Retaining) -> None:
    place.write()
    with closing(place.database.connect()) as connection:
        with triggers_disabled(connection):
            if isinstance(connection, sqlite3.Connection):
                execute(connection, "PRAGMA foreign_keys = OFF")
            execute(connection, COVERED)
            execute(
                connection,
                "DELETE FROM key_audit_logs WHERE sequence <= (SELECT last_sequence FROM key_audit_tombstones)",
            )
        assert written_sequences(connection)[0] > EXPIRED
        verdict = verified(connection, trusted=(KEY.verifier,))
        assert (verdict.removed, verdict.faults[0].message) == (0, ORPHAN)
        assert len(verdict.faults) + verdict.more_faults > EXPIRED


@pytest.mark.only_on("postgresql")
def test_tombstones_that_a_policy_hides_are_not_passed_over(place: Retaining) -> None:
    """Policies that leave nothing out are applied; one that hides tombstones would make the entries look removed."""
    place.write()
    with closing(place.database.connect()) as connection:
        execute(connection, f"SET ROLE {place.prefix}kms_auditor")
        assert faults(connection) == []
        execute(connection, "RESET ROLE")
        execute(connection, "ALTER TABLE key_audit_tombstones ENABLE ROW LEVEL SECURITY")
        execute(connection, f"SET ROLE {place.prefix}kms_auditor")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            verified(connection)
        execute(connection, "RESET ROLE")
