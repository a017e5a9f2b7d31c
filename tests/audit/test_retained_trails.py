"""A trail whose beginning was removed, twice: what was handed out before holds, and every way of looking goes on."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.proofs.prover import prove_consistency, prove_inclusion
from kms_schema.audit.standalone.check_audit import check_proof, read_key
from kms_schema.audit.verification.verifier import verify
from kms_schema.audit.verification.worker_pool import open_snapshot
from kms_schema.validator import validate
from support.engines import Database, Engines
from support.engines.client_programs import dumped, errors, run_script
from support.engines.postgresql import PostgresqlEngine
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.aged import age
from tests.audit.retaining import KEPT, YEARS, Retaining, retaining
from tests.audit.trails import KEY, checkpoint_of, open_trail, seal_all, verified, write, written_sequences

BATCH, SECONDS = 300, 7
TRUSTED = (KEY.verifier,)
MANY = """INSERT INTO key_audit_logs (event_type, event_category, event_description)
WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < 600)
SELECT 'TEST', 'LIFECYCLE', 'x' FROM counted"""


@dataclass(frozen=True)
class Cut:
    """A trail that was cut twice, and what had been handed out before."""

    place: Retaining
    checkpoints: tuple[Checkpoint, ...]
    proofs: tuple[str, ...]
    removed: int


@pytest.fixture(scope="module")
def cut(engines: Engines, engine_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cut]:
    """What the tests of one engine share, since entries have to expire for it: they leave it as it was."""
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with retaining(database) as made:
        yield cut_twice(made, tmp_path_factory.mktemp("retained"))
    engines[engine_name].drop(database)


def cut_twice(place: Retaining, folder: Path) -> Cut:
    seals, proofs = [], []
    with closing(place.database.connect()) as connection:
        for seconds_left in 0, SECONDS:
            execute(connection, MANY)
            age(place.database, YEARS, kept=YEARS, seconds_left=seconds_left)
            ended = time.monotonic() + seconds_left
            seals += seal_all(connection, batch=BATCH)
        with open_trail(connection).reading() as trail:
            proofs += [prove_inclusion(trail, sequence) for sequence in (3, 500, 900)]
            proofs += [prove_consistency(trail, older.number, newer.number) for older, newer in pairwise(seals)]
        write(connection, KEPT)
        seals += seal_all(connection)
    done = place.retain(folder)
    time.sleep(max(0, ended - time.monotonic()))
    done += place.retain(folder)
    assert [each.removed > 500 for each in done] == [True, True]
    seals += [each.seal for each in done if each.seal]
    return Cut(place, tuple(map(checkpoint_of, seals)), tuple(proofs), sum(each.removed for each in done))


def test_every_checkpoint_and_proof_of_before_two_cuts_holds(cut: Cut) -> None:
    with closing(cut.place.database.connect()) as connection:
        verdict = verified(connection, checkpoints=cut.checkpoints, trusted=TRUSTED)
        assert (verdict.faults, verdict.checkpoints, verdict.removed) == ([], len(cut.checkpoints), cut.removed)
        first = written_sequences(connection)[0]
        with open_trail(connection).reading() as trail:
            grown = [prove_consistency(trail, 1, number) for number in range(2, len(cut.checkpoints) + 1)]
            kept = prove_inclusion(trail, first)
    for proof in (*cut.proofs, *grown, kept):
        assert check_proof(proof.encode(), [read_key(str(KEY.verifier))])


def test_verification_since_any_seal_and_with_workers_finds_the_same(cut: Cut) -> None:
    with closing(cut.place.database.connect()) as connection:
        for number, checkpoint in enumerate(cut.checkpoints, 1):
            with open_trail(connection).reading() as trail:
                verdict = verify(trail, checkpoints=(checkpoint,), trusted=TRUSTED, since=number)
            gone = max(cut.removed - checkpoint.size, 0)
            assert (verdict.faults, verdict.removed, verdict.checkpoints) == ([], gone, 1), number
        whole = verified(connection, trusted=TRUSTED)
        with open_snapshot(open_trail(connection), jobs=2) as (snapshot, workers):
            assert verify(snapshot, trusted=TRUSTED, workers=workers) == whole


def test_what_is_left_of_a_removal_verifies_in_any_way(place: Retaining, tmp_path: Path) -> None:
    """Killed between two batches: some of what a tombstone is for is gone."""
    with closing(place.database.connect()) as connection:
        execute(connection, MANY)
        age(place.database, YEARS)
        seal_all(connection, batch=BATCH)
        write(connection, KEPT)
        seal_all(connection)
        place.write_tombstone(tmp_path)
        with triggers_disabled(connection):
            execute(connection, "DELETE FROM key_audit_logs WHERE sequence <= 400")
        for jobs in 1, 2:
            with open_snapshot(open_trail(connection), jobs) as (snapshot, workers):
                verdict = verify(snapshot, trusted=TRUSTED, workers=workers)
            assert (verdict.faults, verdict.removed) == ([], 400)
        with open_trail(connection).reading() as trail:
            assert verify(trail, since=2, trusted=TRUSTED).faults == []
        assert evidence(place.database) == set()
        with triggers_disabled(connection):
            execute(connection, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 500")
        (fault,) = verified(connection, trusted=TRUSTED).faults
        assert "(sequence 500) is not what was sealed" in fault.message


def evidence(database: Database) -> set[str]:
    with closing(database.connect()) as connection:
        findings = validate(connection, level="data").findings
    return {each.code for each in findings if "KMS511" <= each.code <= "KMS515"}


def test_the_validator_misses_what_was_removed_without_a_tombstone_and_nothing_else(cut: Cut) -> None:
    assert evidence(cut.place.database) == set()
    with closing(cut.place.database.connect()) as connection, triggers_disabled(connection):
        oldest = "FROM key_audit_logs WHERE sequence = (SELECT min(sequence) FROM key_audit_logs)"
        execute(connection, f"CREATE TABLE taken AS SELECT * {oldest}")
        execute(connection, f"DELETE {oldest}")
    found = evidence(cut.place.database)
    with closing(cut.place.database.connect()) as connection, triggers_disabled(connection):
        execute(connection, "INSERT INTO key_audit_logs SELECT * FROM taken")
        execute(connection, "DROP TABLE taken")
    assert found == {"KMS513"}
    assert evidence(cut.place.database) == set()


def test_the_validator_finds_a_tombstone_that_is_not_what_was_signed(cut: Cut) -> None:
    with closing(cut.place.database.connect()) as connection, triggers_disabled(connection):
        execute(connection, "UPDATE key_audit_tombstones SET last_sequence = last_sequence + 1")
    found = evidence(cut.place.database)
    with closing(cut.place.database.connect()) as connection, triggers_disabled(connection):
        execute(connection, "UPDATE key_audit_tombstones SET last_sequence = last_sequence - 1")
    assert "KMS515" in found
    assert evidence(cut.place.database) == set()


@pytest.mark.only_on("postgresql")
def test_a_dump_of_a_trail_that_was_cut_is_restored_whole(cut: Cut, engine: PostgresqlEngine) -> None:
    copy = engine.create()
    assert errors(run_script(copy, dumped(cut.place.database))) == []
    with closing(copy.connect()) as connection:
        verdict = verified(connection, checkpoints=cut.checkpoints, trusted=TRUSTED)
        assert (verdict.faults, verdict.removed) == ([], cut.removed)
        execute(connection, f"DROP OWNED BY {cut.place.prefix}kms_remover CASCADE")
    engine.drop(copy)
