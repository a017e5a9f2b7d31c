"""Sealing among writers: what commits is sealed once, what rolls back never, and the seals verify."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

from kms_schema.audit.storage.errors import TrailError
from support.engines import Database
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.audit.trails import (
    FORGER,
    KEY,
    TABLE,
    checkpoint_of,
    is_whole,
    open_trail,
    seal_all,
    sealed_sequences,
    verified,
    write,
    written_sequences,
)

pytestmark = pytest.mark.versions("oldest and newest")

WRITERS, SEALERS = 4, 2


def test_seals_grow_one_tree_whatever_the_batch(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 600)
        first = seal_all(connection, origin="kms.example/audit", batch=256)
        assert [kept.tree_size for kept in first][-1] == len(written_sequences(connection))
        assert {kept.origin for kept in first} == {"kms.example/audit"}
        write(connection, 3)
        (last,) = seal_all(connection)
        assert seal_all(connection) == []
        assert sealed_sequences(connection) == written_sequences(connection)
    verdict = is_whole(database, tuple(map(checkpoint_of, [*first, last])))
    assert (verdict.seals, verdict.unsigned, verdict.tree_size) == (len(first) + 1, 0, last.tree_size)


def test_what_is_not_sealed_yet_is_counted(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 2)
        assert (verified(connection).unsealed, verified(connection).sound) == (len(written_sequences(connection)), True)
        seal_all(connection)
        write(connection, 3)
        assert (verified(connection).unsealed, verified(connection).sound) == (3, True)


def test_writers_and_sealers_at_once(database: Database) -> None:
    done = threading.Event()
    work = write_and_roll_back if database.dialect == "postgresql" else write_only
    with ThreadPoolExecutor(WRITERS + SEALERS) as pool:
        sealers = [pool.submit(seal_until, database, done) for _ in range(SEALERS)]
        writers = [pool.submit(work, database, random.Random(number)) for number in range(WRITERS)]  # noqa: S311
        try:
            for writer in writers:
                writer.result(60)
        finally:
            done.set()
        assert sum(sealer.result(60) for sealer in sealers) > 1
    with closing(database.connect()) as connection:
        for _ in "what is left", "what that seal has left open":
            write(connection, 1)
            last = seal_all(connection)[-1]
    assert last.open_gaps == ()
    is_whole(database)


def seal_until(database: Database, done: threading.Event) -> int:
    """Seal again and again; return how many seals that made."""
    made = 0
    with closing(database.connect()) as connection:
        if database.dialect == "sqlite":
            execute(connection, "PRAGMA busy_timeout = 60000")
        while not done.is_set():
            made += len(seal_all(connection, batch=7))
            done.wait(0.005)
    return made


def write_only(database: Database, chance: random.Random) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "PRAGMA busy_timeout = 60000")
        for _ in range(20):
            execute(connection, "BEGIN IMMEDIATE")
            write(connection, chance.randrange(1, 4))
            execute(connection, chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]))


def write_and_roll_back(database: Database, chance: random.Random) -> None:
    """Transactions that are slow, have taken their id early, or give up a part of what they wrote or all."""
    with closing(database.connect()) as connection:
        for _ in range(25):
            execute(connection, "BEGIN")
            if chance.random() < 0.5:
                execute(connection, "SELECT pg_current_xact_id()")
            write(connection, chance.randrange(1, 4))
            execute(connection, f"SAVEPOINT part; SELECT pg_sleep({chance.choice([0, 0, 0, 0.02])})")
            write(connection, 2)
            if chance.random() < 0.5:
                execute(connection, "ROLLBACK TO SAVEPOINT part")
            execute(connection, chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]))


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("late", ["COMMIT", "ROLLBACK"])
def test_a_lower_number_of_a_later_transaction_stays_open(database: Database, late: str) -> None:
    """Its id is above `xmax` of the snapshot that the seal was made with, which must not close the gap."""
    with closing(database.connect()) as early, closing(database.connect()) as slow, closing(database.connect()) as one:
        execute(early, "BEGIN; SELECT pg_current_xact_id()")
        execute(slow, "BEGIN")
        write(slow, 1)
        write(early, 1)
        execute(early, "COMMIT")
        for _ in range(3):
            assert [len(kept.open_gaps) for kept in seal_all(one)] == [1]
            write(one, 1)
        execute(slow, late)
        (last,) = seal_all(one)
        assert last.open_gaps == ()
    is_whole(database)


@pytest.mark.only_on("postgresql")
def test_a_prepared_transaction_is_waited_for(engine_name: str) -> None:
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    with closing(PostgresqlEngine(engine_name, programs, ("--set", "max_prepared_transactions=2"))) as engine:
        database = engine.create()
        database.alembic("upgrade", "head")
        with closing(database.connect()) as connection:
            for name in "kept", "dropped":
                execute(connection, "BEGIN")
                write(connection, 1)
                execute(connection, f"PREPARE TRANSACTION '{name}'")
                write(connection, 1)
            seal_all(connection)
            write(connection, 1)
            assert len(seal_all(connection)[-1].open_gaps) == 2
            execute(connection, "COMMIT PREPARED 'kept'")
            execute(connection, "ROLLBACK PREPARED 'dropped'")
            assert seal_all(connection)[-1].open_gaps == ()
        is_whole(database)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(("given", "kept"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
def test_a_seal_is_on_the_disk_before_its_checkpoint_goes_elsewhere(database: Database, given: str, kept: str) -> None:
    with closing(database.connect()) as connection:
        execute(connection, f"SET synchronous_commit = {given}")
        with open_trail(connection).sealing():
            assert execute(connection, "SHOW synchronous_commit").fetchone() == (kept,)
        assert execute(connection, "SHOW synchronous_commit").fetchone() == (given,)


def announced(connection: Connection) -> None:
    seal_all(connection, KEY, next_key=FORGER.verifier)


KEY_CHANGES: dict[str, tuple[Callable[[Connection], Any], Any, str | None]] = {
    "the same": (seal_all, KEY, None),
    "another that was not announced": (seal_all, FORGER, "announce the new key first"),
    "none after a signed one": (seal_all, None, "give it with --key, or in KMS_SEAL_KEY"),
    "the announced one": (announced, FORGER, None),
    "the old one after the announcement": (announced, KEY, f"the key {FORGER.verifier} signs"),
    "the first after unsigned ones": (lambda connection: seal_all(connection, None), KEY, None),
}


@pytest.mark.parametrize("change", KEY_CHANGES)
def test_a_seal_is_signed_with_the_key_that_the_last_leads_to(database: Database, change: str) -> None:
    before, key, refusal = KEY_CHANGES[change]
    with closing(database.connect()) as connection:
        write(connection, 2)
        before(connection)
        write(connection, 2)
        if refusal is None:
            seal_all(connection, key)
            assert verified(connection).faults == []
            return
        with pytest.raises(TrailError, match="after seal 1 the key") as refused:
            seal_all(connection, key)
        assert refusal in str(refused.value)
        assert verified(connection).unsealed == 2


def test_trust_follows_announcements_and_nothing_else(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 2)
        announced(connection)
        write(connection, 2)
        seal_all(connection, FORGER)
        assert verified(connection, trusted=(KEY.verifier,)).faults == []
        assert [fault.seal for fault in verified(connection, trusted=(FORGER.verifier,)).faults] == [1]


def test_the_trail_keeps_its_name(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 1)
        (first,) = seal_all(connection)
        (entry,) = execute(connection, "SELECT id FROM key_audit_logs ORDER BY sequence LIMIT 1").fetchone()
        assert first.origin.replace("-", "") == f"kmsschema/{entry}".replace("-", "")
        write(connection, 1)
        with pytest.raises(TrailError, match="the origin of the trail is"):
            seal_all(connection, origin="another")


def test_a_connection_in_a_transaction_is_refused_and_others_are_left_as_they_were(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 1)
        seal_all(connection)
        assert execute(connection, "SELECT 'as before'").fetchone() == ("as before",)
        if isinstance(connection, psycopg.Connection):
            assert connection.autocommit
            assert execute(connection, "SELECT current_setting('search_path') LIKE '%public%'").fetchone() == (True,)
        execute(connection, "BEGIN")
        insert(connection, TABLE, **audit_entry())
        with pytest.raises(TrailError, match="give an idle connection"):
            open_trail(connection)
