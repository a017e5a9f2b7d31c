"""What a publisher sends is written past foreign keys: the subscription is found, and who may make one."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa

from kms_schema import validate
from kms_schema.validator import Finding
from support.engines import Database
from support.engines.postgresql import PostgresqlEngine, psycopg_url
from support.engines.programs import find_programs
from support.login_roles import login
from support.reports import run
from support.rows.smallest import insert, key_master, key_rotation
from support.statements import execute

pytestmark = pytest.mark.only_on("postgresql")
SECONDS = 20


@pytest.fixture(scope="module")
def server(engine_name: str) -> Iterator[PostgresqlEngine]:
    """A server that keeps in its log what subscribers need."""
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    with closing(PostgresqlEngine(engine_name, programs, ("--set", "wal_level=logical"))) as engine:
        yield engine


@pytest.fixture
def subscriber(server: PostgresqlEngine) -> Iterator[Database]:
    """A migrated database that takes its rotations from another one, which asks no foreign keys about them."""
    publisher = server.create()
    publisher.alembic("upgrade", "head")
    subscriber = server.create(publisher)
    source = psycopg_url(sa.make_url(publisher.url))
    with closing(publisher.connect()) as there, closing(subscriber.connect()) as here:
        run(there, "CREATE PUBLICATION rotations FOR TABLE key_rotations")
        run(there, "SELECT pg_create_logical_replication_slot('rotations', 'pgoutput')")
        run(
            here,
            f"CREATE SUBSCRIPTION rotations CONNECTION '{source}' PUBLICATION rotations"
            " WITH (create_slot = false, copy_data = false)",
        )
        # The master is not published: at the subscriber the rotation is of no key.
        insert(there, "key_rotations", **key_rotation(insert(there, "key_masters", **key_master())))
        try:
            deadline = time.monotonic() + SECONDS
            while execute(here, "SELECT count(*) FROM key_rotations").fetchone() == (0,):
                assert time.monotonic() < deadline, "nothing arrives"
                time.sleep(0.05)
            yield subscriber
        finally:
            run(here, "ALTER SUBSCRIPTION rotations DISABLE")
            run(here, "ALTER SUBSCRIPTION rotations SET (slot_name = NONE)")
            run(here, "DROP SUBSCRIPTION rotations")
    server.drop(subscriber)
    with closing(publisher.connect()) as there:
        while execute(there, "SELECT active FROM pg_replication_slots").fetchone() == (True,):
            time.sleep(0.05)
        run(there, "SELECT pg_drop_replication_slot('rotations')")
    server.drop(publisher)


def test_a_subscription_writes_what_no_foreign_key_allows_and_is_found_by_anybody(subscriber: Database) -> None:
    with login(subscriber) as auditor, closing(auditor.connect()) as connection:
        (finding,) = found(connection, "KMS403")
    assert (finding.object, finding.actual) == ("subscription rotations", "writes into key_rotations")
    with closing(subscriber.connect()) as connection:
        orphans = [each for each in validate(connection, level="data").findings if each.code == "KMS501"]
        assert ["fk_key_rotations_key_id_key_masters" in each.object for each in orphans] == [True]
        run(connection, finding.remediation or "")
        assert found(connection, "KMS403") == []


def found(connection: object, code: str) -> list[Finding]:
    return [finding for finding in validate(connection).findings if finding.code == code]  # type: ignore[arg-type]


RIGHTS = ("pg_create_subscription", "CREATE ON DATABASE {database}", "INSERT ON key_rotations")


def test_who_may_make_a_subscription_to_our_tables_is_found(database: Database) -> None:
    """From 16 on a role that is no superuser may, with all of these rights."""
    with closing(database.connect()) as connection:
        first = 16
        if connection.info.server_version // 10000 < first:  # type: ignore[union-attr]
            assert found(connection, "KMS427") == []
            return
        with login(database) as holder:
            role = sa.make_url(holder.url).username
            rights = [right.format(database=database.name) for right in RIGHTS]
            for right in rights:
                assert found(connection, "KMS427") == []
                run(connection, f"GRANT {right} TO {role}")
            for right in rights:
                assert [each.object for each in found(connection, "KMS427")] == [f"role {role}"]
                run(connection, f"REVOKE {right} FROM {role}")
                assert found(connection, "KMS427") == []
                run(connection, f"GRANT {right} TO {role}")
