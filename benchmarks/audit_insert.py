"""P3: insertion of an audit entry, compared with a row of the same table with only its primary key, foreign key and
CHECKs.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

from benchmarks.audit_history import KEYS, add_keys, entries
from benchmarks.places import Places
from benchmarks.targets import Curve, Limit, Measured, over
from benchmarks.timing import in_turn
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute

CLIENTS = 8
BARE = (
    "CREATE SEQUENCE bare_sequence",
    "CREATE TABLE bare (LIKE key_audit_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (id),"
    " FOREIGN KEY (key_id) REFERENCES key_masters (id))",
    "ALTER TABLE bare ALTER id SET DEFAULT gen_random_uuid(), ALTER sequence SET DEFAULT nextval('bare_sequence'),"
    " ALTER timestamp SET DEFAULT clock_timestamp(), ALTER recorded_by SET DEFAULT session_user",
)
"""Without guard triggers and indexes: values come from defaults, and ids are the usual ones."""
INSERT = (
    "INSERT INTO {table} (key_id, event_type, event_category, event_description, user_id, security_level, risk_score)"
    " VALUES (:key, 'DECRYPT', 'SECURITY', 'a key was used by the payment service', :user, :level, :risk)"
)
TABLES = ("key_audit_logs", "bare")
SOME_KEYS = f"SELECT id FROM key_masters ORDER BY key_id LIMIT {KEYS}"


def measure(places: Places) -> list[Measured]:
    """Insert into both tables in turn, which grow equally. Then measure over histories of each length."""
    with places.empty() as database:
        with closing(database.connect()) as connection:
            add_keys(connection)
            for statement in BARE:
                execute(connection, statement)
        measured = list(_against_bare(database, places))
    return [*measured, _over_histories(places)]


def _against_bare(database: Database, places: Places) -> Iterator[Measured]:
    commits, rows, repetitions = places.scale.commits, places.scale.rows, places.options.repetitions
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(database.connect())) for _ in range(CLIENTS)]
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        keys = [row[0] for row in execute(clients[0], SOME_KEYS).fetchall()]

        def commit(table: str) -> None:
            list(pool.map(partial(_commit, INSERT.format(table=table), keys, commits), clients))

        times = in_turn({table: partial(commit, table) for table in TABLES}, repetitions)
        ratio = times["bare"].median / times["key_audit_logs"].median
        what = f"audit insert ÷ bare table, rate: {CLIENTS} clients committing"
        yield Measured(what, ratio, Limit(0.95, at_least=True), times)

        bulk = {table: partial(execute, clients[0], entries(clients[0], rows, table)) for table in TABLES}
        times = in_turn(bulk, repetitions)
        ratio = times["bare"].median / times["key_audit_logs"].median
        what = f"audit insert ÷ bare table, rate: {rows} rows in one statement"
        yield Measured(what, ratio, Limit(0.7, at_least=True), times)


def _over_histories(places: Places) -> Measured:
    """Return the time of an entry that one client commits, by the number of entries before."""
    histories, commits = places.scale.histories, places.scale.commits
    statement = INSERT.format(table="key_audit_logs")
    with places.copies(histories) as databases, ExitStack() as stack:
        over_each = {
            size.events: stack.enter_context(closing(database.connect()))
            for size, database in zip(histories, databases, strict=True)
        }
        keys = [row[0] for row in execute(over_each[histories[0].events], SOME_KEYS).fetchall()]  # the same in each
        runs = {entries: partial(_commit, statement, keys, commits, each) for entries, each in over_each.items()}
        times = in_turn(runs, places.options.repetitions)
    long = histories[-1].events
    what = f"to compare: insert an entry and commit, over {long}"
    curve = Curve.of("insert an entry", times, commits)
    return Measured(what, curve.milliseconds[long], None, over(times), unit=" ms", curve=curve)


def _commit(statement: str, keys: Sequence[object], commits: int, client: Connection) -> None:
    """Add entries one by one, each in a transaction, as an application does: over the network, prepared."""
    for number in range(commits):
        level = "LOW" if number % 20 else "HIGH"
        values = {"key": keys[number % len(keys)], "user": f"user-{number}", "level": level, "risk": number % 100}
        execute(client, statement, values)
