"""What `scripts/benchmark.py` measures of the audit trail is what it says; how long anything takes is not asserted."""

from contextlib import closing

import click
import pytest

from benchmarks import audit_history, audit_insert, audit_seal, audit_verify
from benchmarks.targets import Options
from tests.audit.trails import seal_all, verified
from tests.engines import Database
from tests.statements import execute

pytestmark = pytest.mark.versions("newest")
FEW = 600


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch, engine_name: str) -> Options:
    """Measure once, and with little in the database."""
    monkeypatch.setattr(audit_history, "ENTRIES", {"small": FEW})
    monkeypatch.setattr(audit_seal, "SHORT", {"small": 300})
    monkeypatch.setattr(audit_insert, "ROWS", {"small": 200})
    monkeypatch.setattr(audit_insert, "COMMITS", {"small": 2})
    return Options(engine_name, None, 1, 0)


def test_inserts_are_measured_on_postgresql(options: Options) -> None:
    if options.engine.startswith("sqlite"):
        with pytest.raises(click.UsageError, match="about PostgreSQL"):
            audit_insert.measure(options)
        return
    for measured in audit_insert.measure(options):
        ours, bare = measured.times["key_audit_logs"], measured.times["bare"]
        assert measured.value == pytest.approx(bare.median / ours.median)
        assert len(ours.milliseconds) == 1


def test_a_verification_is_measured_with_the_memory_of_its_process(options: Options) -> None:
    rate, memory = audit_verify.measure(options)
    entries = 1 + audit_history.KEYS + FEW
    assert rate.what.startswith(f"verify {entries} entries")
    assert rate.value == pytest.approx(entries / rate.times["verify"].median)
    assert 10 < memory.value < 64, "the process imports what the command does, and no tests"


def test_sealing_is_measured_over_a_long_and_a_short_history(options: Options) -> None:
    (measured,) = audit_seal.measure(options)
    long, short = measured.times.values()
    assert measured.value == pytest.approx(long.median / short.median)


def test_what_is_sealed_has_gaps_and_entries_that_come_late(database: Database) -> None:
    with closing(database.connect()) as connection:
        audit_history.add_keys(connection)
        audit_history.fill(connection, 10)
    with closing(audit_seal.BusyTrail(database)) as trail:
        trail.write()
        (first,) = seal_all(trail.connection, None)
        trail.write()
        (second,) = seal_all(trail.connection, None)
        assert verified(trail.connection).sound
    late = int(database.dialect == "postgresql")
    assert second.tree_size - first.tree_size == audit_seal.ENTRIES + late
    assert len(first.open_gaps) >= 5 * late, "what was rolled back is open while a writer is"
    with closing(database.connect()) as connection:
        begun = execute(connection, "SELECT first_sequence FROM key_audit_leaves ORDER BY first_leaf").fetchall()
    assert (begun == sorted(begun)) == (not late), "what came late has a number below those that were sealed before"
