"""Migrations run meanwhile: each verdict is of one revision as migrations leave it, or says that there is none now."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread

import pytest

from kms_schema import ValidationError, validate
from support.engines import Database
from support.engines.database import Connection
from support.programs.commands import kms_schema
from support.reports import found

pytestmark = pytest.mark.versions("oldest and newest")

SECONDS = 2
PATIENCE_SECONDS = 55
"""How much longer a busy machine may take for as many verdicts as tell something."""
AT_A_REVISION = {"", "KMS001", "KMS002"}
"""At head, at none, and behind."""


@contextmanager
def migrating(*steps: tuple[Database, tuple[str, ...]], again: Event | None = None) -> Iterator[Thread]:
    """Migrate beside the block, once or until `again` is set; what goes wrong there fails the test."""
    errors: list[Exception] = []

    def migrate() -> None:
        try:
            while True:
                for database, arguments in steps:
                    database.alembic(*arguments)
                if again is None or again.is_set():
                    return
        except Exception as error:  # noqa: BLE001  (raised below, where the test sees it)
            errors.append(error)

    thread = Thread(target=migrate)
    thread.start()
    try:
        yield thread
    finally:
        if again:
            again.set()
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.versions("newest")
def test_each_verdict_is_of_one_revision(empty_database: Database) -> None:
    up, down = (empty_database, ("upgrade", "head")), (empty_database, ("downgrade", "base"))
    verdicts: Counter[str] = Counter()
    end = time.monotonic() + SECONDS
    with migrating(up, down, again=Event()), closing(empty_database.connect()) as connection:
        while time.monotonic() < end or (
            (sum(verdicts.values()) <= 10 or len(verdicts) == 1) and time.monotonic() < end + PATIENCE_SECONDS
        ):
            verdicts[verdict(connection)] += 1
    assert sum(verdicts.values()) > 10
    assert len(verdicts) > 1
    assert verdicts.keys() <= AT_A_REVISION | {"unknown"}, verdicts


def verdict(connection: Connection) -> str:
    """Return what was found, or `unknown` where that was said for the reason that there is."""
    try:
        findings = found(validate(connection))
    except ValidationError as error:
        return "unknown" if "migration" in str(error) else str(error)
    except sqlite3.OperationalError as error:
        return "unknown" if "locked" in str(error) else str(error)
    return ", ".join(code if code in AT_A_REVISION else f"{code} {key}" for code, key in findings)


@pytest.mark.only_on("postgresql")
def test_between_two_revisions_there_is_no_verdict(empty_database: Database) -> None:
    """005 builds indexes CONCURRENTLY, which waits for older writers: that can take hours."""
    empty_database.alembic("upgrade", "004")
    half_way = "SELECT count(*) FROM pg_index WHERE NOT indisvalid AND indrelid::regclass::text LIKE '%key_%'"
    with closing(empty_database.connect()) as watcher:
        with closing(empty_database.connect()) as writer:
            writer.execute("BEGIN; LOCK TABLE key_rotations IN ROW EXCLUSIVE MODE")
            with migrating((empty_database, ("upgrade", "head"))) as thread:
                try:
                    while watcher.execute(half_way).fetchone() == (0,):
                        assert thread.is_alive()
                        time.sleep(0.02)
                    said = kms_schema("validate", url=empty_database.url)
                finally:
                    writer.execute("ROLLBACK")
        assert (said.status, said.out) == (3, "")
        assert "a migration is running (process" in said.error
        assert found(validate(watcher)) == []


@pytest.mark.only_on("postgresql")
def test_a_migration_that_has_not_begun_blocks_no_validation(database: Database) -> None:
    """The lock alone is none: what is exactly as a revision makes it is reported."""
    with closing(database.connect()) as holder:
        holder.execute("SELECT pg_advisory_lock(x'6b6d735f73636865'::bigint)")
        assert kms_schema("validate", url=database.url).status == 0
        holder.execute("CREATE INDEX extra ON key_audit_logs (user_id)")
        assert kms_schema("validate", url=database.url).status == 3
    assert kms_schema("validate", url=database.url).status == 1
