"""P3: an audit entry against a row of the same table with its primary key, foreign key and CHECKs only."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

import click

from benchmarks.audit_history import KEYS, add_keys, entries
from benchmarks.places import new_database
from benchmarks.targets import Limit, Measured, Options, Scale
from benchmarks.timing import in_turn
from tests.engines import Database
from tests.engines.database import Connection
from tests.statements import execute

CLIENTS = 8
ROWS: dict[Scale, int] = {"small": 20_000, "medium": 100_000, "full": 100_000}
COMMITS: dict[Scale, int] = {"small": 250, "medium": 1_000, "full": 5_000}
"""Of each client, each time."""
BARE = (
    "CREATE SEQUENCE bare_sequence",
    "CREATE TABLE bare (LIKE key_audit_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id),"
    " FOREIGN KEY (key_id) REFERENCES key_masters (id))",
    "ALTER TABLE bare ALTER id SET DEFAULT gen_random_uuid(), ALTER sequence SET DEFAULT nextval('bare_sequence'),"
    " ALTER timestamp SET DEFAULT clock_timestamp(), ALTER recorded_by SET DEFAULT session_user",
)
"""Without guard and indexes, values come from defaults, and ids are what tables usually have."""
INSERT = (
    "INSERT INTO {table} (key_id, event_type, event_category, event_description, user_id, security_level, risk_score)"
    " VALUES (:key, 'DECRYPT', 'SECURITY', 'a key was used by the payment service', :user, :level, :risk)"
)
TABLES = ("key_audit_logs", "bare")


def measure(options: Options) -> list[Measured]:
    """Insert into both tables in turn; both grow by as much."""
    if options.engine.startswith("sqlite") and options.server_url is None:
        raise click.UsageError("P3 is about PostgreSQL: --engine postgresql-18, or --database-url")
    with new_database(options.engine, options.server_url) as database:
        with closing(database.connect()) as connection:
            add_keys(connection)
            for statement in BARE:
                execute(connection, statement)
        return list(_measured(database, options))


def _measured(database: Database, options: Options) -> Iterator[Measured]:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(database.connect())) for _ in range(CLIENTS)]
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        keys = [row[0] for row in execute(clients[0], "SELECT id FROM key_masters ORDER BY key_id").fetchall()]

        def commit(table: str) -> None:
            committing = partial(_commit, INSERT.format(table=table), keys, COMMITS[options.scale])
            list(pool.map(committing, clients))

        times = in_turn({table: partial(commit, table) for table in TABLES}, options.repetitions)
        what = f"audit insert ÷ bare table, rate: {CLIENTS} clients committing"
        ratio = times["bare"].median / times["key_audit_logs"].median
        yield Measured(what, database.engine_name, ratio, Limit(0.95, at_least=True), times)

        rows = ROWS[options.scale]
        bulk = {table: partial(execute, clients[0], entries(clients[0], rows, table)) for table in TABLES}
        times = in_turn(bulk, options.repetitions)
        ratio = times["bare"].median / times["key_audit_logs"].median
        what = f"audit insert ÷ bare table, rate: {rows} rows in one statement"
        yield Measured(what, database.engine_name, ratio, Limit(0.7, at_least=True), times)


def _commit(statement: str, keys: Sequence[object], commits: int, client: Connection) -> None:
    """Add entries one by one, each a transaction, as an application does: over the wire, prepared by the driver."""
    for number in range(commits):
        level = "LOW" if number % 20 else "HIGH"
        said = {"key": keys[number % KEYS], "user": f"user-{number}", "level": level, "risk": number % 100}
        execute(client, statement, said)
