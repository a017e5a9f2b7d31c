"""Revision 010 puts a new dashboard in the place of the old one, and counts what is sealed while others go on."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from tests.audit.aged import age
from tests.audit.retaining import YEARS, Retaining, retaining
from tests.audit.totals import assert_exact, kept
from tests.audit.trails import open_trail, seal_all, write
from tests.engines import Database
from tests.engines.database import Connection
from tests.roles import login
from tests.rows import audit_entry, insert
from tests.statements import execute

SECONDS = 30
RIGHTS = """SELECT relname, pg_get_userbyid(relowner), relacl::text FROM pg_class
    WHERE relname IN ('key_management_dashboard', 'key_health_monitor')
    UNION ALL SELECT proname, pg_get_userbyid(proowner), proacl::text FROM pg_proc WHERE proname = 'refresh_key_views'
    ORDER BY 1"""


def rights(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in execute(connection, RIGHTS)]


@pytest.mark.only_on("postgresql")
def test_owner_and_rights_go_over_to_what_takes_the_place(database: Database) -> None:
    with login(database) as first, login(database) as second, closing(database.connect()) as connection:
        owner, reader = (sa.make_url(role.url).username for role in (first, second))
        for statement in (
            f"GRANT SELECT, UPDATE ON key_management_dashboard TO {reader} WITH GRANT OPTION",
            "GRANT SELECT ON key_management_dashboard TO PUBLIC",
            f"GRANT EXECUTE ON FUNCTION refresh_key_views() TO {reader}",
            f"GRANT CREATE ON SCHEMA public TO {owner}",
            f"ALTER MATERIALIZED VIEW key_management_dashboard OWNER TO {owner}",
            f"ALTER FUNCTION refresh_key_views() OWNER TO {owner}",
            f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {reader}",
        ):
            execute(connection, statement)
        before = rights(connection)
        database.alembic("downgrade", "009")
        assert rights(connection) == before
        database.alembic("upgrade", "head")
        assert rights(connection) == before
        assert {owner for _, owner, _ in before} == {owner, "postgres"}
        execute(connection, f"REASSIGN OWNED BY {owner} TO postgres")


@pytest.fixture
def place(database: Database) -> Iterator[Retaining]:
    with retaining(database) as made:
        yield made


def wait_for_the_upgrade(connection: Connection) -> None:
    """Wait until it has counted, and asks for its locks, which somebody holds."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%key_audit_leaves%' AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + SECONDS
    while execute(connection, query).fetchone() == (0,):
        assert time.monotonic() < deadline


class Upgrade(threading.Thread):
    """An upgrade beside the test."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.error = database, ""

    def run(self) -> None:
        try:
            self.database.alembic("upgrade", "010")
        except (CommandError, DBAPIError) as error:
            self.error = str(error)


@pytest.mark.only_on("postgresql")
def test_what_is_removed_between_the_count_and_the_trigger_stops_the_upgrade(place: Retaining, tmp_path: Path) -> None:
    """Its sums would have had those entries for ever; nothing is changed, and the next run is right."""
    place.write()
    place.bury(tmp_path)
    place.database.alembic("downgrade", "009")
    with closing(place.database.connect()) as connection, closing(place.database.connect()) as writer:
        execute(writer, "BEGIN")
        insert(writer, "key_audit_logs", **audit_entry())
        upgrade = Upgrade(place.database)
        upgrade.start()
        wait_for_the_upgrade(connection)
        with closing(place.retention.connect()) as retention, open_trail(retention).writing() as trail:
            assert trail.remove_expired() > 0
        execute(writer, "COMMIT")
        upgrade.join()
        assert "were sealed or removed while they were counted; nothing was changed" in upgrade.error
        place.database.alembic("upgrade", "head")
        assert_exact(connection)


@pytest.mark.only_on("postgresql")
def test_writers_go_on_and_sealers_wait_while_an_upgrade_counts(database: Database) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as writer:
        write(connection, 10)
        seal_all(connection)
        database.alembic("downgrade", "009")
        execute(writer, "BEGIN")
        insert(writer, "key_audit_logs", **audit_entry())
        upgrade = Upgrade(database)
        upgrade.start()
        wait_for_the_upgrade(connection)
        sealing = threading.Thread(target=seal_all, args=(connection,))
        sealing.start()
        with closing(database.connect()) as other:
            write(other, 5)
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            deadline = time.monotonic() + SECONDS
            while execute(other, waiting).fetchone() == (0,):
                assert time.monotonic() < deadline
        execute(writer, "COMMIT")
        for thread in (upgrade, sealing):
            thread.join()
        assert upgrade.error == ""
        assert_exact(connection)
        assert kept(connection).total() == 17


def test_entries_of_before_the_upgrade_are_taken_out_by_retention_as_well(place: Retaining, tmp_path: Path) -> None:
    place.database.alembic("downgrade", "009")
    with closing(place.database.connect()) as connection:
        write(connection, 30)
        age(place.database, YEARS)
        seal_all(connection)
        place.database.alembic("upgrade", "head")
        write(connection, 5)
        seal_all(connection)
        place.retain(tmp_path)
        assert_exact(connection)
        assert kept(connection).total() < 30
