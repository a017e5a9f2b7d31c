"""A logical subscriber is no home of the trail: what a publisher sends is refused there, each change by its guard."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from support.engines import Database
from support.engines.client_programs import address
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.reports import report_on
from support.statements import execute, refused
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.standbys import answers, wait_for
from tests.audit.trails import seal_all, write

pytestmark = pytest.mark.only_on("postgresql")

SETTINGS = ("wal_level=logical", "logging_collector=on", "log_rotation_age=0", "wal_retrieve_retry_interval=100ms")
FIRST_WITH_STATISTICS = 150000
COUNT = "SELECT count(*) FROM key_audit_logs"


@dataclass(frozen=True)
class Pair:
    """A publisher of the trail, and a database that subscribes to it, which has the same entries already."""

    publisher: Connection
    subscriber: Connection
    source: Database
    target: Database
    log_begins_at: int

    def said(self) -> str:
        """What the server of both has logged since."""
        read = f"SELECT pg_read_file(pg_current_logfile(), {self.log_begins_at}, 10000000)"
        return str(execute(self.publisher, read).fetchone()[0])

    @contextmanager
    def subscribed(self, options: str = "copy_data = false") -> Iterator[None]:
        """Replicate meanwhile; within one server the slot has to be there before."""
        execute(self.publisher, "CREATE PUBLICATION trail FOR TABLE key_audit_logs")
        execute(self.publisher, "SELECT pg_create_logical_replication_slot('trail', 'pgoutput')")
        execute(
            self.subscriber,
            f"CREATE SUBSCRIPTION trail CONNECTION '{address(self.source)}' PUBLICATION trail"
            f" WITH (create_slot = false, slot_name = 'trail', {options})",
        )
        try:
            yield
        finally:
            execute(self.subscriber, "ALTER SUBSCRIPTION trail DISABLE")
            execute(self.subscriber, "ALTER SUBSCRIPTION trail SET (slot_name = NONE)")
            execute(self.subscriber, "DROP SUBSCRIPTION trail")
            idle = "SELECT count(*) FROM pg_replication_slots WHERE active"
            wait_for(answers(self.publisher, idle, 0), "the publisher goes on sending")
            execute(self.publisher, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


@pytest.fixture(scope="module")
def server(engine_name: str) -> Iterator[PostgresqlEngine]:
    """A server that writes for subscribers, and whose log can be read through SQL."""
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    options = tuple(word for setting in SETTINGS for word in ("--set", setting))
    with closing(PostgresqlEngine(engine_name, programs, options)) as engine:
        yield engine


@pytest.fixture(scope="module")
def migrated(server: PostgresqlEngine) -> Database:
    database = server.create()
    database.alembic("upgrade", "head")
    return database


@pytest.fixture
def pair(server: PostgresqlEngine, migrated: Database) -> Iterator[Pair]:
    source = server.create(migrated)
    with closing(source.connect()) as connection:
        write(connection, 3)
        seal_all(connection)
    target = server.create(source)
    with closing(source.connect()) as publisher, closing(target.connect()) as subscriber:
        (size,) = execute(publisher, "SELECT (pg_stat_file(pg_current_logfile())).size").fetchone()
        yield Pair(publisher, subscriber, source, target, size)
    server.drop(target)
    server.drop(source)


def by_the_owner(statement: str) -> Callable[[Connection], None]:
    def change(publisher: Connection) -> None:
        with triggers_disabled(publisher):
            execute(publisher, statement)

    return change


CHANGES: dict[str, tuple[Callable[[Connection], None], str]] = {
    "an entry": (
        lambda publisher: write(publisher, 1),
        "guard_key_audit_log_insert: the database sets id, sequence, timestamp and recorded_by",
    ),
    "an update": (
        by_the_owner("UPDATE key_audit_logs SET risk_score = 99 WHERE event_type = 'TEST'"),
        "prevent_key_audit_log_update: WORM violation: UPDATE of audit entries is refused",
    ),
    "a delete": (
        by_the_owner("DELETE FROM key_audit_logs WHERE event_type = 'TEST'"),
        "prevent_key_audit_log_delete: WORM violation: DELETE of audit entries is refused",
    ),
    "a truncate": (
        by_the_owner("TRUNCATE key_audit_logs"),
        "prevent_key_audit_log_delete_truncate: WORM violation: TRUNCATE of audit entries is refused",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_publisher_sends_is_refused(pair: Pair, change: str) -> None:
    make, message = CHANGES[change]
    everything = "SELECT string_agg(entry::text, ',' ORDER BY sequence) FROM key_audit_logs AS entry"
    before = execute(pair.subscriber, everything).fetchone()
    with pair.subscribed():
        make(pair.publisher)
        wait_for(lambda: f"ERROR:  {message}" in pair.said(), f"it is not refused: {pair.said()}")
        if pair.subscriber.info.server_version >= FIRST_WITH_STATISTICS:  # type: ignore[union-attr]
            failed = "SELECT sum(apply_error_count) > 0 FROM pg_stat_subscription_stats"
            wait_for(answers(pair.subscriber, failed, True), "no failure is counted")
    assert execute(pair.subscriber, everything).fetchone() == before


def test_the_first_copy_of_a_subscription_is_refused(pair: Pair, server: PostgresqlEngine, migrated: Database) -> None:
    target = server.create(migrated)
    with closing(target.connect()) as subscriber:
        before = execute(subscriber, COUNT).fetchone()
        fresh = Pair(pair.publisher, subscriber, pair.source, target, pair.log_begins_at)
        with fresh.subscribed("copy_data = true"):
            refusal = "ERROR:  guard_key_audit_log_insert: the database sets"
            wait_for(lambda: refusal in fresh.said(), "it is not refused")
        assert execute(subscriber, COUNT).fetchone() == before
    server.drop(target)


def test_a_subscriber_that_admits_entries_is_found_and_does_not_continue_the_trail(pair: Pair) -> None:
    """A setting of the database puts the subscriber into restore mode; sequences are not replicated."""
    execute(pair.subscriber, f"ALTER DATABASE {pair.target.name} SET kms.restore = on")
    (before,) = execute(pair.subscriber, COUNT).fetchone()
    with pair.subscribed():
        write(pair.publisher, 1)
        wait_for(answers(pair.subscriber, COUNT, before + 1), "no entry arrives")
        codes = {finding.code for finding in report_on(pair.target).findings}
        assert {"KMS402", "KMS403"} <= codes
    refused(
        pair.subscriber,
        "INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('TEST', 'LIFECYCLE', 'x')",
        rule="uq_key_audit_logs_sequence",
    )
