"""A simulated life of 200 keys: the incidents are found, and false alarms are rarer than one a week."""

import sqlite3
from contextlib import closing

import pytest

from support.engines import Database
from tests.audit.anomalies.incidents import simulate
from tests.audit.anomalies.judged_year import judged

LIVES = [
    pytest.param(2, 33, 32, id="a-month"),
    *(pytest.param(seed, 365, 200, marks=pytest.mark.full, id=f"a-year-{seed}") for seed in (1, 2, 3)),
]


@pytest.mark.parametrize(("seed", "days", "keys"), LIVES)
def test_incidents_are_found_and_false_alarms_are_rare(database: Database, seed: int, days: int, keys: int) -> None:
    """On SQLite entries have no login: what is told from logins is not found there, and is not asked for."""
    with closing(database.connect()) as connection:
        has_logins = not isinstance(connection, sqlite3.Connection)
        result = judged(connection, simulate(seed, days=days, keys=keys), with_logins=has_logins)
    assert len(result.year.incidents) >= 9
    assert {each.name for each in result.missed if has_logins or not each.by_login} == set()
    assert result.a_week < 1, [each.summary for each in result.false_alarms]
