"""A restored dump and a cluster after pg_upgrade continue the trail: old checkpoints hold. Data alone does not."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kms_schema.audit.storage.stored_seals import StoredSeal
from support.engines import Database, Engines
from support.engines.client_programs import address, client, dumped, errors, run_script
from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import WHEEL_MAJOR, find_programs
from support.engines.upgradable import find_upgradable_programs
from support.reports import found, report_on
from support.rows.population import populate
from support.rows.smallest import active_key_master, insert
from support.statements import execute
from tests.audit.standbys import postmaster, same_on, wait_for
from tests.audit.trails import checkpoint_of, is_whole, seal_all, verified, write
from tests.docs.copies_page import block, run_commands

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

TRAIL = "--table=key_audit_*"
NOT_OF_THE_MIGRATIONS = ("--exclude-table=alembic_version", "--exclude-table=key_view_refreshes")
RESTORING = "-c kms.restore=on"


@pytest.fixture(scope="module")
def elsewhere(engine_name: str) -> Iterator[PostgresqlEngine]:
    """Another cluster, whose transaction ids start again."""
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    with closing(PostgresqlEngine(engine_name, programs)) as engine:
        yield engine


@pytest.fixture(scope="module")
def migrated(elsewhere: PostgresqlEngine) -> Database:
    """A database at head in that cluster, for copies."""
    made = elsewhere.create()
    made.alembic("upgrade", "head")
    return made


@pytest.fixture(scope="module")
def newest() -> Iterator[PostgresqlEngine]:
    """Another cluster of the newest version."""
    with closing(PostgresqlEngine(f"postgresql-{WHEEL_MAJOR}", find_programs(WHEEL_MAJOR))) as engine:
        yield engine


def as_script(source: Database, _folder: Path) -> Callable[[Database], object]:
    script = dumped(source)
    return lambda target: run_script(target, script)


def in_two_jobs(source: Database, folder: Path) -> Callable[[Database], object]:
    dump = str(folder / "dump")
    done = client("pg_dump", "-Fc", "-f", dump, address(source))
    assert done.returncode == 0, done.stderr
    return lambda target: client("pg_restore", "-j", "2", "-d", address(target), dump)


WAYS = {
    "as a script": (as_script, "elsewhere"),
    "in two jobs": (in_two_jobs, "elsewhere"),
    "in two jobs, to the newest version": (in_two_jobs, "newest"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_restored_dump_goes_on_with_gaps_that_were_open(
    database: Database, way: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    dump, cluster = WAYS[way]
    with (
        closing(database.connect()) as one,
        closing(database.connect()) as committed,
        closing(database.connect()) as rolled_back,
        closing(database.connect()) as later,
    ):
        populate(one)
        for slow in (committed, rolled_back, later):
            execute(slow, "BEGIN")
            write(slow, 2)
        write(one, 3)
        seals = seal_all(one)
        write(one, 1)
        seals += seal_all(one)
        assert len(seals[-1].open_gaps) > 0
        execute(committed, "COMMIT")
        execute(rolled_back, "ROLLBACK")
        restore = dump(database, tmp_path)
        execute(later, "COMMIT")  # after the dump: it is not in the copy, and a gap there for ever
    copy = request.getfixturevalue(cluster).create()
    assert errors(restore(copy)) == []
    with closing(copy.connect()) as connection:
        assert verified(connection).unsealed == 2
        for _ in "what was left", "what that has left open":
            write(connection, 1)
            seals += seal_all(connection)
        assert seals[-1].open_gaps == ()
        assert seals[-1].system_identifier != seals[0].system_identifier
    is_whole(copy, tuple(map(checkpoint_of, seals)))
    assert found(report_on(copy, level="data")) == []


def test_a_dump_that_is_restored_in_the_same_cluster_goes_on(database: Database, engine: PostgresqlEngine) -> None:
    """The ids of transactions in its gaps are those of this cluster still."""
    with closing(database.connect()) as one, closing(database.connect()) as slow:
        execute(slow, "BEGIN")
        write(slow, 2)
        write(one, 3)
        seals = seal_all(one)
        copy = engine.create()
        assert errors(run_script(copy, dumped(database))) == []
        with closing(copy.connect()) as connection:
            write(connection, 1)
            seals += seal_all(connection)
            assert seals[-1].open_gaps != ()
            execute(slow, "COMMIT")
            for _ in "what was left", "what that has left open":
                write(connection, 1)
                seals += seal_all(connection)
            assert seals[-1].open_gaps == ()
    is_whole(copy, tuple(map(checkpoint_of, seals)))
    engine.drop(copy)


def test_data_alone_is_refused_without_restore_mode(
    database: Database, engine: PostgresqlEngine, engines: Engines
) -> None:
    with closing(database.connect()) as connection:
        write(connection, 3)
    copy = engine.create(engines.migrated(engine.name, "template"))
    refused = run_script(copy, dumped(database, "--data-only", TRAIL))
    assert refused.returncode != 0
    assert "guard_key_audit_log_insert: the database sets id, sequence, timestamp and recorded_by" in refused.stderr
    assert "kms.restore = on" in refused.stderr
    engine.drop(copy)


def test_data_of_the_trail_comes_back_in_restore_mode(
    database: Database, elsewhere: PostgresqlEngine, migrated: Database
) -> None:
    with closing(database.connect()) as connection:
        write(connection, 300)
        seals = seal_all(connection, batch=200)
        data = dumped(database, "--data-only", TRAIL)
    copy = elsewhere.create(migrated)
    collides = run_script(copy, data, RESTORING)
    assert "uq_key_audit_logs_sequence" in collides.stderr
    assert errors(run_script(copy, block("the first entry"))) == []
    assert errors(run_script(copy, data, RESTORING)) == []
    with closing(copy.connect()) as connection:
        write(connection, 1)
        seals += seal_all(connection)
    is_whole(copy, tuple(map(checkpoint_of, seals)))
    assert found(report_on(copy, level="data")) == []


def test_the_statement_that_makes_room_takes_nothing_but_the_first_entry(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, 1)
        before = execute(connection, "SELECT count(*) FROM key_audit_logs").fetchone()
        refused = run_script(database, block("the first entry"))
        assert "the trail has more than its first entry" in refused.stderr
        assert execute(connection, "SELECT count(*) FROM key_audit_logs").fetchone() == before
    assert found(report_on(database)) == []


def test_triggers_that_a_restore_disabled_are_found_and_fixed(
    database: Database, elsewhere: PostgresqlEngine, migrated: Database
) -> None:
    with closing(database.connect()) as connection:
        parent = insert(connection, "key_masters", **active_key_master(key_type="kek"))
        insert(connection, "key_masters", **active_key_master(parent_key_id=parent["key_id"]))
        # The row of the parent stands behind that of its child now: no trigger would take them in this order.
        execute(connection, "UPDATE key_masters SET status_reason = 'x' WHERE id = :id", {"id": parent["id"]})
        populate(connection)
        seals = seal_all(connection)
    data = dumped(database, "--data-only", "--disable-triggers", *NOT_OF_THE_MIGRATIONS)
    copy = elsewhere.create(migrated)
    assert errors(run_script(copy, block("the first entry"))) == []
    assert errors(run_script(copy, data)) == []
    left = [finding for finding in report_on(copy).findings if finding.code == "KMS145"]
    with closing(copy.connect()) as connection:
        query = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
        assert execute(connection, query).fetchone() == (len(left),)
        assert "trigger key_audit_logs.prevent_key_audit_log_update" in {finding.object for finding in left}
        for finding in left:
            execute(connection, finding.remediation or "")
        assert found(report_on(copy, level="data")) == []
        write(connection, 1)
        seals += seal_all(connection)
    is_whole(copy, tuple(map(checkpoint_of, seals)))


@pytest.mark.only_on(f"postgresql-{WHEEL_MAJOR}")
@pytest.mark.parametrize(
    ("commands", "to_mend"), [("the trail by its owner", False), ("everything by a superuser", True)]
)
def test_the_commands_of_the_page(
    *, database: Database, elsewhere: PostgresqlEngine, migrated: Database, tmp_path: Path, commands: str, to_mend: bool
) -> None:
    with closing(database.connect()) as connection:
        if to_mend:
            populate(connection)
        write(connection, 3)
        seals = seal_all(connection)
    copy = elsewhere.create(migrated)
    assert errors(run_script(copy, block("the first entry"))) == []
    done = run_commands(commands, tmp_path, OLD_URL=address(database), NEW_URL=address(copy))
    assert done.returncode == int(to_mend), done.stdout
    assert ("ENABLE ALWAYS TRIGGER prevent_key_audit_log_update" in done.stdout) == to_mend
    with closing(copy.connect()) as connection:
        assert verified(connection, checkpoints=tuple(map(checkpoint_of, seals))).faults == []


@pytest.fixture
def old() -> Iterator[PostgresqlEngine]:
    major, programs = find_upgradable_programs()
    with closing(PostgresqlEngine(f"postgresql-{major}", programs)) as engine:
        yield engine


@contextmanager
def upgraded(old: PostgresqlEngine, connection: Connection) -> Iterator[PostgresqlEngine]:
    """Shut a server down, as pg_upgrade demands, and start what that makes of its data."""
    (data,) = execute(connection, "SHOW data_directory").fetchone()
    (programs,) = execute(connection, "SELECT setting FROM pg_config() WHERE name = 'BINDIR'").fetchone()
    os.kill(postmaster(connection)[0], signal.SIGINT)
    wait_for(lambda: not Path(data, "postmaster.pid").exists(), f"{old.name} does not shut down")
    options = ("--upgrade-of", programs, data)
    with closing(PostgresqlEngine(f"postgresql-{WHEEL_MAJOR}", find_programs(WHEEL_MAJOR), options)) as engine:
        yield engine


@pytest.mark.only_on(f"postgresql-{WHEEL_MAJOR}")
@pytest.mark.usefixtures("engine_name")
def test_an_upgraded_cluster_goes_on_with_gaps_that_were_open(old: PostgresqlEngine) -> None:
    database = old.create()
    database.alembic("upgrade", "head")
    with closing(database.connect()) as connection, closing(database.connect()) as slow:
        populate(connection)
        execute(slow, "BEGIN")
        write(slow, 2)
        write(connection, 3)
        seals = seal_all(connection)
        assert seals[-1].open_gaps != ()
        write(connection, 2)
        with upgraded(old, connection) as new:
            goes_on(same_on(new, database), seals)


def goes_on(copy: Database, seals: list[StoredSeal]) -> None:
    with closing(copy.connect()) as connection:
        assert verified(connection, checkpoints=tuple(map(checkpoint_of, seals))).unsealed == 2
        for _ in "what was left", "what that has left open":
            write(connection, 1)
            seals += seal_all(connection)
        assert seals[-1].open_gaps == ()
        assert seals[-1].system_identifier != seals[0].system_identifier
        query = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'A'"
        assert execute(connection, query).fetchone() == (0,)
    is_whole(copy, tuple(map(checkpoint_of, seals)))
    assert found(report_on(copy, level="data")) == []
