"""902 replaces the objects of 901, and counts the sealed entries while clients continue.

These tests run in the copy that has these revisions, whose head is 902.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from support.catalog import catalog, differences
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import login
from support.rows.population import all_rows, populate
from support.statements import execute
from tests.audit.aged import age
from tests.audit.retaining import YEARS, Retaining, retaining
from tests.audit.trails import open_trail, seal_all, write

SECONDS = 30
PRIVILEGES = """SELECT relname, pg_get_userbyid(relowner), relacl::text FROM pg_class WHERE relname = 'key_label_counts'
    UNION ALL SELECT proname, pg_get_userbyid(proowner), proacl::text FROM pg_proc WHERE proname = 'count_key_labels'
    ORDER BY 1"""
SEALED = """SELECT entry.event_category, count(*)
    FROM key_audit_logs AS entry JOIN key_audit_leaves AS page
        ON entry.sequence BETWEEN page.first_sequence AND page.first_sequence + length(page.hashes) / 32 - 1
    GROUP BY entry.event_category ORDER BY entry.event_category"""
KEPT = """SELECT event_category, event_count FROM key_audit_category_totals
    WHERE event_count > 0 ORDER BY event_category"""


def privileges(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in execute(connection, PRIVILEGES)]


def total(connection: Connection) -> int:
    """Return how many entries are counted, having looked whether they are those that are sealed and there."""
    kept = execute(connection, KEPT).fetchall()
    assert kept == execute(connection, SEALED).fetchall()
    return sum(number for _, number in kept)


@pytest.mark.only_on("postgresql")
def test_owner_and_privileges_are_copied_to_the_replacement(database: Database) -> None:
    with login(database) as first, login(database) as second, closing(database.connect()) as connection:
        owner, reader = (sa.make_url(role.url).username for role in (first, second))
        for statement in (
            f"GRANT SELECT, UPDATE ON key_label_counts TO {reader} WITH GRANT OPTION",
            "GRANT SELECT ON key_label_counts TO PUBLIC",
            f"GRANT EXECUTE ON FUNCTION count_key_labels() TO {reader}",
            f"GRANT CREATE ON SCHEMA public TO {owner}",
            f"ALTER MATERIALIZED VIEW key_label_counts OWNER TO {owner}",
            f"ALTER FUNCTION count_key_labels() OWNER TO {owner}",
            f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {reader}",
        ):
            execute(connection, statement)
        before = privileges(connection)
        database.alembic("downgrade", "901")
        assert privileges(connection) == before
        database.alembic("upgrade", "head")
        assert privileges(connection) == before
        assert {owner for _, owner, _ in before} == {owner}
        execute(connection, f"REASSIGN OWNED BY {owner} TO postgres")


def test_what_is_in_a_loaded_table_stays_when_a_column_comes_and_goes(database: Database) -> None:
    """SQLite before 3.35.5 could leave a dropped value in the column after it."""
    with closing(database.connect()) as connection:
        database.alembic("downgrade", "007")
        populate(connection)
        before, rows = catalog(connection), all_rows(connection)
        database.alembic("upgrade", "head")
        execute(connection, "UPDATE key_versions SET label = 'seen'")
        assert execute(connection, "SELECT count(*) FROM labelled_key_versions").fetchone() != (0,)
        database.alembic("downgrade", "007")
        assert all_rows(connection) == rows
        assert differences(before, catalog(connection)) == {}


def test_a_table_that_is_rebuilt_keeps_its_rows_and_its_trigger(database: Database) -> None:
    with closing(database.connect()) as connection:
        database.alembic("downgrade", "901")
        execute(connection, "INSERT INTO key_labels (label, meaning) VALUES ('seen', 'somebody saw it')")
        before = catalog(connection)
        database.alembic("upgrade", "head")
        row = ("seen", "somebody saw it", None)
        assert execute(connection, "SELECT label, meaning, colour FROM key_labels").fetchall() == [row]
        database.alembic("downgrade", "901")
        assert execute(connection, "SELECT * FROM key_labels").fetchall() == [row[:2]]
        assert differences(before, catalog(connection)) == {}


def test_what_is_sealed_already_is_counted(database: Database) -> None:
    """Entries in an open gap, and later ones, are left for the seals to come."""
    with ExitStack() as stack:
        connection, other = (stack.enter_context(closing(database.connect())) for _ in range(2))
        database.alembic("downgrade", "901")
        write(connection, 5, event_category="COMPLIANCE")
        if database.dialect == "postgresql":
            execute(other, "BEGIN")
            write(other, 1, event_category="SECURITY")
        write(connection, 5)
        seal_all(connection)
        write(connection, 5)
        if database.dialect == "postgresql":
            execute(other, "COMMIT")
        database.alembic("upgrade", "head")
        assert total(connection) >= 10
        seal_all(connection)
        assert total(connection) >= 15


@pytest.fixture
def place(database: Database) -> Iterator[Retaining]:
    with retaining(database) as made:
        yield made


def test_entries_of_before_the_upgrade_are_taken_out_by_retention_as_well(place: Retaining, tmp_path: Path) -> None:
    place.database.alembic("downgrade", "901")
    with closing(place.database.connect()) as connection:
        write(connection, 30)
        age(place.database, YEARS)
        seal_all(connection)
        place.database.alembic("upgrade", "head")
        write(connection, 5)
        seal_all(connection)
        place.retain(tmp_path)
        assert total(connection) < 30


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
            self.database.alembic("upgrade", "head")
        except (CommandError, DBAPIError) as error:
            self.error = str(error)


@pytest.mark.only_on("postgresql")
def test_what_is_removed_between_the_count_and_the_trigger_stops_the_upgrade(place: Retaining, tmp_path: Path) -> None:
    """Its sums would have had those entries for ever; nothing is changed, and the next run is right."""
    place.write()
    place.write_tombstone(tmp_path)
    place.database.alembic("downgrade", "901")
    with closing(place.database.connect()) as connection, closing(place.database.connect()) as holder:
        execute(holder, "BEGIN")
        execute(holder, "SELECT count(*) FROM key_labels")
        upgrade = Upgrade(place.database)
        upgrade.start()
        wait_for_the_upgrade(connection)
        with closing(place.retention.connect()) as retention, open_trail(retention).writing() as trail:
            assert trail.retention.remove() > 0
        execute(holder, "COMMIT")
        upgrade.join()
        assert "were sealed or removed while they were counted; nothing was changed" in upgrade.error
        place.database.alembic("upgrade", "head")
        total(connection)


@pytest.mark.only_on("postgresql")
def test_writers_go_on_and_sealers_wait_while_an_upgrade_counts(database: Database) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as holder:
        write(connection, 10)
        seal_all(connection)
        database.alembic("downgrade", "901")
        execute(holder, "BEGIN")
        execute(holder, "SELECT count(*) FROM key_labels")
        upgrade = Upgrade(database)
        upgrade.start()
        wait_for_the_upgrade(connection)
        sealing = threading.Thread(target=seal_all, args=(connection,))
        sealing.start()
        with closing(database.connect()) as other:
            write(other, 5)
            waiting = """SELECT count(*) FROM pg_stat_activity
                WHERE query LIKE '%lock_key_audit_seals%' AND pid <> pg_backend_pid()"""
            deadline = time.monotonic() + SECONDS
            while execute(other, waiting).fetchone() == (0,):
                assert time.monotonic() < deadline
        execute(holder, "COMMIT")
        for thread in (upgrade, sealing):
            thread.join()
        assert upgrade.error == ""
        assert total(connection) == 16
