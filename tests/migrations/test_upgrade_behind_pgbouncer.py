"""Behind a proxy an upgrade works, or refuses at once and says what to do: it never hangs."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
import sqlalchemy as sa

from support.catalog import catalog
from support.engines import Database
from support.engines.pgbouncer import PASSWORD, PoolMode, pgbouncer
from support.engines.postgresql import psycopg_url
from support.programs.alembic_processes import Finished, run_at_once

pytestmark = pytest.mark.only_on("postgresql")

REPLICAS, REPLICAS_OF_FULL = 6, 20
SECONDS = 100
"""Far more than any takes here, and less than the 120 seconds for which PgBouncer itself lets a client wait."""

SHARING: dict[str, tuple[PoolMode, dict[str, int]]] = {
    "transactions": ("transaction", {}),
    "transactions of one process": ("transaction", {"default_pool_size": 1}),
    "transactions in turn": ("transaction", {"server_round_robin": 1, "min_pool_size": 3}),
    "transactions behind an address of three": ("transaction", {"processes": 3}),
    "statements": ("statement", {}),
}


def assert_refused(replica: Finished) -> None:
    assert replica.status not in (0, None)
    assert "Traceback" not in replica.said
    assert "pool" in replica.said
    assert "connect to the server itself with -x url=… (or KMS_DATABASE_URL), or to a pool in session" in replica.said
    assert "@127.0.0.1:" in replica.said
    assert PASSWORD not in replica.said


def everything_in(database: Database) -> object:
    with closing(database.connect()) as connection:
        return catalog(connection)


@contextmanager
def traffic(url: str, clients: int) -> Iterator[None]:
    """Let other clients run short transactions through the pool meanwhile."""
    ended = threading.Event()

    def client() -> None:
        with psycopg.connect(psycopg_url(sa.make_url(url)), prepare_threshold=None) as connection:
            while not ended.is_set():
                with connection.transaction():
                    connection.execute("SELECT pg_sleep(0.002)")

    running = [threading.Thread(target=client) for _ in range(clients)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in running:
            thread.join()


@pytest.mark.parametrize("sharing", SHARING)
def test_a_pool_that_shares_server_processes_is_refused(empty_database: Database, sharing: str) -> None:
    mode, settings = SHARING[sharing]
    before = everything_in(empty_database)
    with pgbouncer(empty_database.url, mode, **settings) as url:
        for replica in run_at_once(2, url, "upgrade", "head", seconds=SECONDS):
            assert_refused(replica)
    assert everything_in(empty_database) == before


@pytest.mark.parametrize("pool_size", [2, 20])
def test_a_pool_that_others_use_meanwhile_is_refused(empty_database: Database, pool_size: int) -> None:
    before = everything_in(empty_database)
    with (
        pgbouncer(empty_database.url, "transaction", default_pool_size=pool_size) as url,
        traffic(url, clients=8),
    ):
        for replica in run_at_once(3, url, "upgrade", "head", seconds=SECONDS):
            assert_refused(replica)
    assert everything_in(empty_database) == before


def test_replicas_that_start_at_once_behind_a_pool_of_transactions_are_all_refused(
    empty_database: Database, pytestconfig: pytest.Config
) -> None:
    """As many as the pool has connections."""
    number = REPLICAS_OF_FULL if pytestconfig.getoption("--full") else REPLICAS
    before = everything_in(empty_database)
    with pgbouncer(empty_database.url, "transaction", default_pool_size=number) as url:
        replicas = run_at_once(number, url, "upgrade", "head", seconds=SECONDS)
    for replica in replicas:
        assert_refused(replica)
    assert everything_in(empty_database) == before


@pytest.mark.parametrize("pool_size", [1, 3, pytest.param(8, marks=pytest.mark.full)])
def test_replicas_behind_a_pool_of_sessions_migrate_once(empty_database: Database, pool_size: int) -> None:
    """With as many processes as the pool has connections none is left to compare with; with fewer some wait."""
    with pgbouncer(empty_database.url, "session", default_pool_size=pool_size) as url:
        replicas = run_at_once(max(pool_size, 2), url, "upgrade", "head", seconds=SECONDS)
    assert [replica.status for replica in replicas] == [0] * len(replicas), replicas
    assert sum("Running upgrade  -> 003" in replica.said for replica in replicas) == 1
    empty_database.alembic("check")


def test_a_server_that_ends_the_comparison_is_one_sentence(empty_database: Database) -> None:
    """Where a second client is not let in, the proxy cannot be told apart, and is refused."""
    with pgbouncer(empty_database.url, "session", max_client_conn=1) as url:
        (replica,) = run_at_once(1, url, "upgrade", "head", seconds=SECONDS)
    assert_refused(replica)
    assert "pools transactions failed" in replica.said
    with closing(empty_database.connect()) as connection:
        assert connection.execute("SELECT to_regclass('key_masters')").fetchone() == (None,)
