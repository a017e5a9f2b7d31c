"""A revision that waits for its locks makes no client fail for a deadlock."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from kms_schema.sql import operations
from kms_schema.sql.operations import SHORT_LOCK_TIMEOUT_MS
from support.concurrency.statement_hook import LOCKING, statement_hook
from support.engines import Database, Engine
from support.statements import execute
from tests.migrations.long_upgrades import WAIT_SECONDS, bring_below, until

QUEUED_SECONDS = 0.6


"""How long a client waits behind a waiting revision, in seconds: it searches for deadlocks while that one waits."""


AT_ONCE = pytest.mark.parametrize(
    "short_timeout_ms", [SHORT_LOCK_TIMEOUT_MS, 10**6], ids=["short timeouts", "long timeouts"]
)


"""The short lock timeout as it is; and one so long that there are no short attempts."""


@pytest.fixture
def copy(engine: Engine, small: Database) -> Iterator[Database]:
    """A small database at 004 of the test's own."""
    made = engine.create(small)
    yield made
    engine.drop(made)


@AT_ONCE
@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
@pytest.mark.only_on("postgresql")
def test_a_client_that_locks_tables_in_another_order_is_not_refused_for_a_deadlock(
    copy: Database, direction: str, short_timeout_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the revision, however long `lock_timeout` is: what it has, it lets go before anybody looks for circles."""
    monkeypatch.setattr(operations, "SHORT_LOCK_TIMEOUT_MS", short_timeout_ms)
    bring_below(copy, direction)
    with closing(copy.connect()) as client, ThreadPoolExecutor(max_workers=1) as aside:

        def write_the_other_table() -> None:
            execute(client, WRITE_THE_OTHER_TABLE)
            execute(client, "COMMIT")

        def begin() -> None:
            execute(client, "BEGIN")
            execute(client, "UPDATE key_versions SET usage_count = usage_count + 1 WHERE version_number = 1")
            writing.append(aside.submit(write_the_other_table))
            with closing(copy.connect()) as observer:
                until(lambda: execute(observer, WATCHED).fetchone() == (True,))

        writing: list[Future[None]] = []
        with statement_hook(LOCKING, begin):
            copy.alembic("-x", "lock-timeout-ms=5000", direction, {"upgrade": "head", "downgrade": "004"}[direction])
        writing[0].result(WAIT_SECONDS)
        ((waited_ms,),) = execute(client, "SELECT current_setting('kms_test.waited_ms')::numeric").fetchall()
    assert waited_ms > (10 if short_timeout_ms == SHORT_LOCK_TIMEOUT_MS else 200), "there was no circle"


@AT_ONCE
@pytest.mark.only_on("postgresql")
def test_a_client_that_has_queued_behind_a_revision_is_not_refused_for_a_deadlock(
    copy: Database, short_timeout_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits from when the revision does, and looks for circles `deadlock_timeout` after that, not after its lock."""
    monkeypatch.setattr(operations, "SHORT_LOCK_TIMEOUT_MS", short_timeout_ms)
    waits = """SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND relation = 'key_masters'::regclass AND query LIKE %s"""
    with (
        closing(copy.connect()) as client,
        closing(copy.connect()) as holder,
        closing(copy.connect()) as observer,
        ThreadPoolExecutor(max_workers=2) as aside,
    ):
        assert isinstance(observer, psycopg.Connection)

        def waiting(beginning: str) -> bool:
            return observer.execute(waits, (f"{beginning}%",)).fetchone() == (True,)

        def queue_behind_the_revision() -> None:
            until(lambda: waiting(LOCKING))
            execute(client, "UPDATE key_masters SET status_reason = 'noted' WHERE key_id = 'dek-1'")
            execute(client, "COMMIT")

        def let_the_revision_go_on() -> None:
            # The revision may have ended its short attempt before the update came, which then has not to wait.
            until(lambda: waiting("UPDATE key_masters") or futures[0].done())
            time.sleep(QUEUED_SECONDS)
            execute(holder, "COMMIT")

        def begin() -> None:
            execute(holder, "BEGIN")
            execute(holder, "UPDATE key_masters SET status_reason = 'held' WHERE false")
            execute(client, "BEGIN")
            execute(client, "UPDATE key_versions SET usage_count = usage_count + 1 WHERE version_number = 1")
            futures.extend(aside.submit(each) for each in (queue_behind_the_revision, let_the_revision_go_on))

        futures: list[Future[None]] = []
        with statement_hook(LOCKING, begin):
            copy.alembic("-x", "lock-timeout-ms=5000", "upgrade", "head")
        for future in futures:
            future.result(WAIT_SECONDS)


WATCHED = "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO $$%'"
"""Whether the client watches for the revision: a short attempt of that may end before a client begins to."""
WRITE_THE_OTHER_TABLE = """DO $$
DECLARE
    since timestamptz;
BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'key_versions'::regclass) LOOP
        PERFORM pg_sleep(0.001);
    END LOOP;
    since := clock_timestamp();
    UPDATE key_masters SET status_reason = 'noted' WHERE key_id = 'dek-1';
    PERFORM set_config('kms_test.waited_ms', (date_part('epoch', clock_timestamp() - since) * 1000)::text, false);
END $$"""
