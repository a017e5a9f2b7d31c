"""Notices of changes of keys: which changes send one, and that a full queue stops no change."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest

from support.engines import Database
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.rows.smallest import Row, active_key_master, insert, key_version, live_key_version, now
from support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("newest")]

PREPARED, SMALL = "max_prepared_transactions=2", "max_notify_queue_pages=64"
REVOKE = "UPDATE key_masters SET status = 'revoked' WHERE id = :id"


@pytest.fixture(scope="module")
def small_queue(engine_name: str) -> Iterator[Database]:
    """A database on a server that prepares transactions, and whose queue of notifications has 512 kB since 17."""
    version = int(engine_name.removeprefix("postgresql-"))
    options = tuple(word for setting in (PREPARED, SMALL)[: 1 + (version >= 17)] for word in ("--set", setting))
    programs = find_programs(version)
    with closing(PostgresqlEngine(engine_name, programs, options)) as engine:
        database = engine.create()
        database.alembic("upgrade", "head")
        yield database


def received(listener: "psycopg.Connection[tuple[object, ...]]") -> list[str]:
    """Return the payloads since the last call."""
    execute(listener, "SELECT pg_notify('kms_keys', '-')")
    payloads = [notice.payload for notice in listener.notifies(timeout=10, stop_after=1)]
    while payloads[-1] != "-":
        payloads += [notice.payload for notice in listener.notifies(timeout=10, stop_after=1)]
    return payloads[:-1]


def used_key(database: Database) -> tuple[Row, Row]:
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **active_key_master())
        return key, insert(connection, "key_versions", **live_key_version(key))


DESTROY = "UPDATE key_versions SET destroyed_at = now(), encrypted_key_data = NULL WHERE id = :version"
ROTATE: tuple[str, ...] = (
    "UPDATE key_versions SET deactivated_at = now() WHERE id = :version",
    "UPDATE key_versions SET activated_at = now() WHERE id = :next",
)
CHANGES: dict[str, tuple[tuple[str, ...], int]] = {
    "use": (("UPDATE key_versions SET usage_count = usage_count + 2000 WHERE id = :version",), 0),
    "another expiry": (("UPDATE key_masters SET expires_at = now() + interval '1 day' WHERE id = :id",), 0),
    "revocation": ((REVOKE,), 1),
    "rotation": (ROTATE, 1),
    "destruction": ((*ROTATE, DESTROY), 1),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_status_or_live_version_is_one_notice(small_queue: Database, change: str) -> None:
    statements, sent = CHANGES[change]
    with closing(small_queue.connect()) as listener, closing(small_queue.connect()) as connection:
        assert isinstance(listener, psycopg.Connection)
        assert isinstance(connection, psycopg.Connection)
        execute(listener, "LISTEN kms_keys")
        key, version = used_key(small_queue)
        following = insert(connection, "key_versions", **key_version(key, version_number=2))
        assert received(listener) == []
        with connection.transaction():
            for statement in statements:
                named = {"id": key["id"], "version": version["id"], "next": following["id"]}
                execute(
                    connection, statement, {name: given for name, given in named.items() if f":{name}" in statement}
                )
        assert received(listener) == [key["key_id"]] * sent
        third = live_key_version(key, version_number=3, created_at=now())
        if change == "rotation":
            execute(
                connection, "UPDATE key_versions SET deactivated_at = now() WHERE id = :id", {"id": following["id"]}
            )
            received(listener)
            insert(connection, "key_versions", **third)
            assert received(listener) == [key["key_id"]]


def flood(connection: Connection) -> None:
    while True:
        execute(connection, "SELECT pg_notify('other', repeat('x', 7000) || n) FROM generate_series(1, 10) AS n")


def fill(database: Database) -> Callable[[], None]:
    """Fill the queue as any role that can connect can: a listener in a transaction holds it. Return how to end that."""
    listener, flooder = database.connect(), database.connect()
    execute(listener, "LISTEN other")
    execute(listener, "BEGIN")
    execute(listener, "SELECT 1")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="too many notifications"):
        flood(flooder)
    flooder.close()
    return listener.close


@pytest.mark.only_on("postgresql-17", "postgresql-18")
def test_a_full_queue_stops_no_revocation(small_queue: Database) -> None:
    """Whether it fills before the statement or between it and COMMIT, and whichever trigger would send the notice."""
    revoked, rotated, inserted, later = (used_key(small_queue) for _ in range(4))
    with ExitStack() as stack:
        one, two, three, four = (stack.enter_context(closing(small_queue.connect())) for _ in range(4))
        execute(four, ROTATE[0], {"version": inserted[1]["id"]})
        for connection in (one, two, three):
            execute(connection, "BEGIN")
        execute(one, REVOKE, {"id": revoked[0]["id"]})
        execute(two, ROTATE[0], {"version": rotated[1]["id"]})
        insert(three, "key_versions", **live_key_version(inserted[0], version_number=2, created_at=now()))
        stack.callback(fill(small_queue))
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            execute(four, "SELECT pg_notify('kms_keys', repeat('x', 7900))")
        refused = []
        changes = [(four, REVOKE, {"id": later[0]["id"]}), *((each, "COMMIT", {}) for each in (one, two, three))]
        for connection, statement, named in changes:
            try:
                execute(connection, statement, named)
            except psycopg.errors.ProgramLimitExceeded as error:
                refused.append(error)
        assert refused == []
        query = "SELECT status FROM key_masters WHERE id IN (:one, :two)"
        assert execute(four, query, {"one": revoked[0]["id"], "two": later[0]["id"]}).fetchall() == [("revoked",)] * 2


def test_a_change_is_prepared_without_a_notice_only(small_queue: Database) -> None:
    with closing(small_queue.connect()) as connection:
        for settings, refused in (("SELECT 1", True), ("SET LOCAL kms.notices = off", False)):
            key, _ = used_key(small_queue)
            execute(connection, "BEGIN")
            execute(connection, settings)
            execute(connection, REVOKE, {"id": key["id"]})
            if refused:
                with pytest.raises(psycopg.errors.FeatureNotSupported, match="NOTIFY"):
                    execute(connection, "PREPARE TRANSACTION 'revoked'")
                execute(connection, "ROLLBACK")
            else:
                execute(connection, "PREPARE TRANSACTION 'revoked'")
                execute(connection, "ROLLBACK PREPARED 'revoked'")
