"""A key from due to destroyed under load and kills, a thousandth of what `scripts/moonshot.py` is run with."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.moonshot.clients import Load
from benchmarks.moonshot.journey import HarnessError, Journey
from benchmarks.moonshot.processes import Ended
from support.engines import Database

ROWS = {"postgresql": 1_000, "sqlite": 100}
KILLS = 2
LOAD = Load(readers=2, writers=1, pause=0.1)
MAX_AGE = 0.3


@pytest.mark.full_on("sqlite")
def test_no_decryption_fails_and_no_row_is_left(
    database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    times = 10 if request.config.getoption("--full") else 1
    rows, kills = ROWS[database.dialect] * times, KILLS * times
    done = Journey(database, tmp_path, rows, LOAD, kills, MAX_AGE, batch=max(1, rows // kills // 4)).run()
    assert done.met, str(done)
    assert done.failures_shown > 0
    assert (done.worker_kills, done.reencrypt_kills) == (kills, kills)
    assert done.counts.reads > done.counts.writes > 0
    assert done.checked >= rows
    document = done.document({"command": "it"})
    assert (document["failed_decryptions"], document["left"], document["met"]) == (0, 0, True)


@pytest.mark.only_on("sqlite")
def test_a_run_that_counts_no_failure_is_an_error(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Journey._command

    def without_destroying(journey: Journey, *words: str, **options: Any) -> Ended:
        return Ended(0, "", 0.0) if words[0] == "destroy-version" else command(journey, *words, **options)

    monkeypatch.setattr(Journey, "_command", without_destroying)
    with pytest.raises(HarnessError, match="failures are not counted"):
        Journey(database, tmp_path, 100, LOAD, KILLS, MAX_AGE).run()
