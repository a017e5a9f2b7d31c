"""The sums of the trail are what it says: while it is written, sealed and cut, on the way up and at the same time."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import active_key_master, audit_entry, insert
from support.statements import execute
from tests.audit.aged import age
from tests.audit.retaining import Retaining
from tests.audit.totals import assert_exact, counted, kept
from tests.audit.trails import seal_all, write

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "key_audit_logs"
SAID = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(["KEY_USED", "ROTATION_REQUIRED"]),
        "event_category": st.sampled_from(["LIFECYCLE", "SECURITY", "COMPLIANCE", "POLICY"]),
        "security_level": st.sampled_from(["LOW", "MEDIUM", "HIGH", "CRITICAL"]),
        "risk_score": st.none() | st.integers(0, 100),
        "about_a_key": st.booleans(),
        "days_ago": st.sampled_from([0, 0, 1, 29, 30]),
    }
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "roll back", "hold back", "let go"]), SAID)
    | st.tuples(st.just("seal"), st.none()),
    min_size=5,
    max_size=25,
)


class Writers:
    """A trail, and another writer who may hold an entry back until others have been sealed."""

    def __init__(self, database: Database) -> None:
        self.connection, self._other = database.connect(), database.connect()
        self.database, self._holds_back = database, False
        self.key = insert(self.connection, "key_masters", **active_key_master())

    def close(self) -> None:
        for connection in (self._other, self.connection):
            connection.close()

    def do(self, step: str, said: dict[str, Any] | None) -> None:
        if said is None:
            seal_all(self.connection, batch=4)
        elif step == "write":
            self._write(self.connection, said)
        elif step == "roll back":
            execute(self.connection, "BEGIN")
            self._write(self.connection, said)
            execute(self.connection, "ROLLBACK")
        elif self.database.dialect == "postgresql":  # on SQLite writers take turns
            if not self._holds_back:
                execute(self._other, "BEGIN")
            self._write(self._other, said)
            if step == "let go":
                execute(self._other, "COMMIT")
            self._holds_back = step != "let go"

    def _write(self, connection: Connection, said: dict[str, Any]) -> None:
        said = dict(said)
        days, about = said.pop("days_ago"), said.pop("about_a_key")
        row = audit_entry(**said, key_id=self.key["id"] if about else None)
        if days and self.database.dialect == "postgresql":  # a restore may bring older entries
            execute(connection, "SET kms.restore = 'on'")
            (then,) = execute(connection, f"SELECT clock_timestamp() - interval '{days} days'").fetchone()
            row["timestamp"] = then
        insert(connection, TABLE, **row)
        if days and self.database.dialect == "postgresql":
            execute(connection, "SET kms.restore = 'off'")


@pytest.fixture
def writers(database: Database) -> Iterator[Writers]:
    with closing(Writers(database)) as made:
        yield made


@given(STEPS)
@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("KMS_TEST_EXAMPLES", "12")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_sums_and_what_is_not_sealed_are_the_trail(writers: Writers, steps: list[tuple[str, Any]]) -> None:
    """Also while an entry is held back, after it has come late, and where others were rolled back."""
    for step, said in steps:
        writers.do(step, said)
        assert_exact(writers.connection)


def test_every_entry_that_is_sealed_is_added_up(database: Database) -> None:
    """Else the sums could stay empty, and what is not sealed be everything."""
    with closing(database.connect()) as connection:
        write(connection, 600)
        seal_all(connection, batch=256)
        assert counted(connection, "key_audit_unsealed") == {}
        assert kept(connection) == counted(connection, TABLE)
        assert kept(connection).total() == 601


def test_the_sums_are_exact_while_others_write_and_seal(database: Database) -> None:
    """Every snapshot of a reader has all of a seal or nothing of it."""
    done = threading.Event()

    def until_done(work: Callable[[Connection], object]) -> None:
        with closing(patient()) as connection:
            while not done.is_set():
                work(connection)

    def patient() -> Connection:
        connection = database.connect()
        if database.dialect == "sqlite":  # where all of them take turns, and none is the first to be served
            execute(connection, "PRAGMA busy_timeout = 120000")
        return connection

    with ThreadPoolExecutor(4) as pool, closing(patient()) as reader:
        running = [
            pool.submit(until_done, work)
            for work in (
                lambda connection: write(connection, 5, security_level="HIGH"),
                lambda connection: write(connection, 5, event_category="COMPLIANCE"),
                seal_all,
            )
        ]
        try:
            deadline = time.monotonic() + 120
            while kept(reader).total() < 50 and time.monotonic() < deadline:
                assert_exact(reader)
        finally:
            done.set()
        for each in running:
            each.result()
        seal_all(reader)
        assert_exact(reader)
        assert kept(reader).total() >= 50


def test_what_retention_removes_is_taken_out_of_the_sums(place: Retaining, tmp_path: Path) -> None:
    """A day may be cut in its midst, and a removal interrupted between two batches."""
    with closing(place.database.connect()) as connection:
        key = insert(connection, "key_masters", **active_key_master())
        write(connection, 300, event_category="SECURITY", security_level="CRITICAL", key_id=key["id"])
        age(place.database, 40, kept=30)
        age(place.database, 0, kept=99, rows="sequence > 250")
        seal_all(connection, batch=100)
        write(connection, 7)
        assert_exact(connection)
        before = kept(connection).total()
        place.write_tombstone(tmp_path)
        assert_exact(connection)
        place.retain(tmp_path)
        assert_exact(connection)
        assert before - 250 <= kept(connection).total() < before - 190


@pytest.mark.only_on("postgresql")
def test_a_session_in_which_a_restore_is_on_seals_and_retains_like_any_other(place: Retaining, tmp_path: Path) -> None:
    """A login that belongs to the owner, and whose setting was left on: no guard is skipped, and every entry counts."""
    with closing(place.database.connect()) as connection:
        write(connection, 30)
        age(place.database, 40, kept=30)
        execute(connection, "SET kms.restore = on")
        seal_all(connection)
        assert execute(connection, "SHOW kms.restore").fetchone() == ("on",)
        execute(connection, "RESET kms.restore")
        write(connection, 3)
        seal_all(connection)
        assert_exact(connection)
        assert [each.removed >= 30 for each in place.retain(tmp_path)] == [True]
        assert_exact(connection)
