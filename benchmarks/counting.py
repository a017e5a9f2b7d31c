"""P11: eight clients count their use of one key version, compared with a table that has only counters."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import in_turn
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute

CLIENTS = 8
VERSION = """SELECT version.id FROM key_versions AS version JOIN key_masters AS master ON master.id = version.key_id
WHERE master.key_id = 'dek-1' AND version.activated_at IS NOT NULL AND version.deactivated_at IS NULL"""
BARE = (
    "CREATE TABLE bare (id uuid PRIMARY KEY, usage_count bigint NOT NULL, data_volume_bytes bigint NOT NULL)",
    "INSERT INTO bare SELECT id, usage_count, data_volume_bytes FROM key_versions WHERE id = :id",
)
COUNT = "UPDATE {table} SET usage_count = usage_count + 1, data_volume_bytes = data_volume_bytes + 4096 WHERE id = :id"
TABLES = ("key_versions", "bare")
UPDATES = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'key_versions'"
PATIENCE_SECONDS = 30


def measure(places: Places) -> list[Measured]:
    """Count in both tables in turn: each client commits a number of times, all on one row."""
    commits, repetitions = places.scale.commits, places.options.repetitions
    with places.copies([places.scale.histories[0]]) as (database,):
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(database.connect())) for _ in range(CLIENTS)]
            ((version,),) = execute(clients[0], VERSION).fetchall()
            for statement in BARE:
                execute(clients[0], statement, {"id": version} if ":id" in statement else None)
            pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))

            def count(table: str) -> None:
                list(pool.map(partial(_count, COUNT.format(table=table), version, commits), clients))

            times = in_turn({table: partial(count, table) for table in TABLES}, repetitions)
        hot = _hot(database, CLIENTS * commits * (repetitions + 1))
    ratio = times["bare"].median / times["key_versions"].median
    return [
        Measured(f"count use, {CLIENTS} clients on one version: share of HOT updates", hot, Limit(0.95, at_least=True)),
        Measured("count use ÷ bare counters, rate", ratio, Limit(0.9, at_least=True), times),
    ]


def _count(statement: str, version: object, commits: int, client: Connection) -> None:
    for _ in range(commits):
        execute(client, statement, {"id": version})


def _hot(database: Database, expected: int) -> float:
    """Return the share, after the server has added up the statistics of ended sessions."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with closing(database.connect()) as connection:
            ((updates, hot),) = execute(connection, UPDATES).fetchall()
        if updates >= expected:
            return float(hot / updates)
        if time.monotonic() > deadline:
            raise TimeoutError(f"pg_stat_user_tables has {updates} updates, and there were {expected}")
        time.sleep(0.1)
