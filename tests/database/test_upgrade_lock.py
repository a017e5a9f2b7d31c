"""One upgrade at a time, and what an interrupted one leaves is repaired by the next."""

import os
import subprocess
import sys
from contextlib import closing

import pytest
from alembic.util import CommandError

from kms_schema.migrating.lock import LOCK_KEY
from tests.engines import Database
from tests.engines.programs import REPOSITORY
from tests.statements import execute

REPLICAS = 6


def test_replicas_that_start_at_once_migrate_once(empty_database: Database) -> None:
    command = [sys.executable, "-m", "alembic", "-x", f"url={empty_database.url}", "upgrade", "head"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    replicas = [
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(REPLICAS)
    ]
    said = [replica.communicate(timeout=120)[1] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0] * REPLICAS, said
    assert sum("Running upgrade  -> 003" in each for each in said) == 1
    with closing(empty_database.connect()) as connection:
        assert execute(connection, "SELECT count(*) FROM key_audit_logs").fetchone() == (1,)


@pytest.mark.only_on("postgresql")
def test_a_waiting_upgrade_gives_up_and_says_how_to_wait_longer(empty_database: Database) -> None:
    with closing(empty_database.connect()) as other:
        other.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        with pytest.raises(CommandError, match=r"another upgrade has held the lock .* -x lock-wait=SECONDS"):
            empty_database.alembic("-x", "lock-wait=0.3", "upgrade", "head")


@pytest.mark.only_on("postgresql")
def test_the_lock_is_given_back(database: Database) -> None:
    with closing(database.connect()) as connection:
        query = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE datname = current_database()"
        assert execute(connection, f"{query} AND locktype = 'advisory'").fetchone() == (0,)


@pytest.mark.only_on("postgresql")
def test_an_index_that_was_left_invalid_is_built_anew(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        connection.execute("CREATE INDEX idx_key_versions_lifecycle ON key_versions (id)")
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_key_versions_lifecycle'::regclass"
        )
        empty_database.alembic("upgrade", "005")
        found = execute(
            connection,
            "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indexrelid = 'idx_key_versions_lifecycle'::regclass",
        ).fetchone()
    assert found is not None
    assert found[0] is True
    assert "(key_id, version_number, activated_at, deactivated_at)" in found[1]


@pytest.mark.only_on("postgresql")
def test_a_locked_table_stops_the_upgrade_with_advice_and_the_next_one_completes(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE rotation_policies IN ROW EXCLUSIVE MODE")
        with pytest.raises(
            CommandError, match=r"rotation_policies could not be locked; in use by process \d+ .* run it again"
        ):
            empty_database.alembic("-x", "lock-timeout-ms=200", "upgrade", "005")
        other.execute("ROLLBACK")
        assert execute(other, "SELECT version_num FROM alembic_version").fetchone() == (
            "004_create_key_management_system",
        )
    empty_database.alembic("upgrade", "005")
    empty_database.alembic("check")
