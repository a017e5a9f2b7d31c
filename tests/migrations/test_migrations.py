"""The history, walked on real engines: it leaves no trace, loses nothing unasked, and stops whole."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from kms_schema.snapshots import chain
from support.catalog import Catalog, catalog, differences
from support.engines import Database
from support.engines.database import ALEMBIC_INI, Connection
from support.revisions import revisions
from support.rows.population import all_rows, as_it_was, populate
from support.rows.smallest import audit_entry, insert
from support.statements import execute

pytestmark = pytest.mark.versions("all")

ALLOW_AUDIT_LOSS = ("-x", "allow-audit-loss=yes")
TABLES_EXIST_FROM = "004"


@pytest.fixture
def connection(empty_database: Database) -> Iterator[Connection]:
    with closing(empty_database.connect()) as opened:
        yield opened


class Stairs:
    """Goes up and down the history, and sees at every step that the catalog is what it was there before."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.database = database
        self.connection = connection
        self.seen: dict[str, Catalog] = {}

    def up(self, revision: str) -> None:
        self.database.alembic("upgrade", revision)
        self.compare(revision)

    def down(self, revision: str) -> None:
        self.database.alembic(*ALLOW_AUDIT_LOSS, "downgrade", revision)
        self.compare(revision)

    def compare(self, revision: str) -> None:
        now = {name: found for name, found in catalog(self.connection).items() if "alembic_version" not in name}
        assert differences(self.seen.setdefault(revision, now), now) == {}, f"at {revision}"


BELOW = dict(pairwise(["base", *revisions()]))
"""Each revision by the one below it."""


@pytest.mark.parametrize("populated", [pytest.param(False, marks=pytest.mark.full), True], ids=["empty", "populated"])
@pytest.mark.parametrize("below", BELOW)
def test_a_revision_goes_up_down_and_up_without_a_trace(
    database_at: Callable[[str], Database], empty_database: Database, below: str, *, populated: bool
) -> None:
    database = empty_database if below == "base" else database_at(below)
    with closing(database.connect()) as connection:
        stairs = Stairs(database, connection)
        stairs.compare(below)
        for _ in range(2):
            if populated and below >= TABLES_EXIST_FROM and below != "base":
                populate(connection)
            stairs.up(BELOW[below])
            if populated and BELOW[below] >= TABLES_EXIST_FROM:
                populate(connection)
            stairs.down(below)


def test_the_history_goes_up_down_and_up_step_by_step_without_a_trace(
    database: Database, empty_database: Database, connection: Connection
) -> None:
    stairs = Stairs(empty_database, connection)
    stairs.compare("base")
    for revision in revisions():
        stairs.up(revision)
    with closing(database.connect()) as usual:
        assert differences(catalog(usual), catalog(connection)) == {}
    for revision in [*BELOW][::-1]:
        stairs.down(revision)
    stairs.up(revisions()[-1])


def test_rows_survive_every_revision_that_keeps_their_tables(empty_database: Database, connection: Connection) -> None:
    empty_database.alembic("upgrade", "004")
    populate(connection)
    before = all_rows(connection)
    assert all(before.values())
    for command_and_target in (("upgrade", "head"), ("downgrade", "004"), ("upgrade", "head")):
        empty_database.alembic(*command_and_target)
        assert as_it_was(before, all_rows(connection)) == before, command_and_target


@pytest.mark.versions("newest")
def test_revisions_are_reached_by_the_names_that_people_type(empty_database: Database) -> None:
    for words, reached in (
        *((("upgrade", revision[:3]), revision) for revision in chain()[1:]),
        (("upgrade", "head"), chain()[-1]),
        (("downgrade", "003_optimize_audit_indexes"), "003_optimize_audit_indexes"),
    ):
        empty_database.alembic(*words)
        assert empty_database.alembic("current").startswith(reached), words


def test_models_and_database_agree(database: Database, recwarn: pytest.WarningsRecorder) -> None:
    assert "No new upgrade operations detected" in database.alembic("check")
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.versions("oldest and newest")
def test_downgrade_refuses_to_destroy_audit_entries_and_says_how_many(
    empty_database: Database, connection: Connection
) -> None:
    empty_database.alembic("upgrade", "head")
    for _ in range(3):
        insert(connection, "key_audit_logs", **audit_entry())
    before, trail = catalog(connection), all_rows(connection)["key_audit_logs"]
    for target in ("003", "base", f"-{len(chain()) - 1}"):
        with pytest.raises(CommandError, match=r"\b3 entries\b.*allow-audit-loss=yes"):
            empty_database.alembic("downgrade", target)
    for answer in ("no", "true", ""):
        with pytest.raises(CommandError, match="3 entries"):
            empty_database.alembic("-x", f"allow-audit-loss={answer}", "downgrade", "003")
    # Not even the revisions above 004 were taken back: their triggers still guard the keys.
    assert differences(before, catalog(connection)) == {}
    assert all_rows(connection)["key_audit_logs"] == trail
    empty_database.alembic(*ALLOW_AUDIT_LOSS, "downgrade", "003")
    assert all_rows(connection) == {}


@pytest.mark.versions("newest")
def test_the_version_table_can_be_made_by_itself(empty_database: Database, connection: Connection) -> None:
    empty_database.alembic("ensure_version")
    assert execute(connection, "SELECT count(*) FROM alembic_version").fetchone() == (0,)


@pytest.mark.versions("newest")
def test_downgrade_needs_no_permission_while_the_trail_holds_only_its_first_entry(database: Database) -> None:
    database.alembic("downgrade", "003")
    with closing(database.connect()) as opened:
        assert all_rows(opened) == {}


@pytest.mark.versions("newest")
def test_an_entry_that_only_claims_to_be_the_first_is_counted(database: Database) -> None:
    with closing(database.connect()) as opened:
        insert(opened, "key_audit_logs", **audit_entry(event_type="system_init"))
    with pytest.raises(CommandError, match=r"\b1 "):
        database.alembic("downgrade", "003")


@pytest.mark.only_on("sqlite")
def test_a_revision_that_fails_leaves_nothing_behind(empty_database: Database, connection: Connection) -> None:
    for revision, obstacle in (("004", "key_audit_logs"), ("head", "key_health_monitor")):
        execute(connection, f"CREATE VIEW {obstacle} AS SELECT 1 AS one")
        before = catalog(connection)
        with pytest.raises(CommandError, match=f"{obstacle} already exists"):
            empty_database.alembic("upgrade", revision)
        assert differences(before, catalog(connection)) == {}
        execute(connection, f"DROP VIEW {obstacle}")
        empty_database.alembic("upgrade", revision)


@pytest.mark.only_on("postgresql")
def test_a_revision_that_failed_is_completed_by_running_it_again(
    database: Database, empty_database: Database, connection: Connection
) -> None:
    empty_database.alembic("upgrade", "003")
    for revision, obstacle in (("004", "key_audit_logs"), ("head", "key_health_monitor")):
        execute(connection, f"CREATE TYPE {obstacle} AS ENUM ()")  # of which no upgrade asks first
        version = empty_database.alembic("current")
        with pytest.raises(CommandError, match=f'{obstacle}" already exists'):
            empty_database.alembic("upgrade", revision)
        assert empty_database.alembic("current") == version
        execute(connection, f"DROP TYPE {obstacle}")
        empty_database.alembic("upgrade", revision)
    with closing(database.connect()) as undisturbed:
        assert differences(catalog(undisturbed), catalog(connection)) == {}


@pytest.mark.only_on("postgresql")
def test_an_index_whose_build_was_interrupted_is_built_again(
    database: Database, empty_database: Database, connection: Connection
) -> None:
    empty_database.alembic("upgrade", "004")
    name = "idx_key_masters_expiring_partial"
    execute(connection, f"CREATE INDEX {name} ON key_masters (key_id)")
    execute(connection, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")  # noqa: S608
    empty_database.alembic("upgrade", "head")
    with closing(database.connect()) as undisturbed:
        assert differences(catalog(undisturbed), catalog(connection)) == {}


def embedded(connection: sa.Connection) -> Config:
    """Return a configuration as an application makes it that migrates over its own connection."""
    config = Config(str(ALEMBIC_INI))
    config.attributes["connection"] = connection
    return config


@pytest.mark.versions("oldest and newest")
def test_an_application_migrates_over_its_own_connection(empty_database: Database, database: Database) -> None:
    engine = empty_database.engine()
    with engine.connect() as own:
        command.upgrade(embedded(own), "head")
    engine.dispose()
    with closing(empty_database.connect()) as here, closing(database.connect()) as there:
        assert differences(catalog(there), catalog(here)) == {}


@pytest.mark.versions("oldest and newest")
@pytest.mark.parametrize("own_engine", [True, False], ids=["kms_schema's engine", "plain engine"])
def test_a_migration_inside_an_applications_transaction_is_rolled_back_with_it(
    empty_database: Database, connection: Connection, *, own_engine: bool
) -> None:
    engine = empty_database.engine() if own_engine else sa.create_engine(empty_database.url)
    before = catalog(connection)
    with engine.connect() as own:
        transaction = own.begin()
        command.upgrade(embedded(own), "head")
        assert own.scalar(sa.text("SELECT count(*) FROM key_audit_logs")) == 1
        transaction.rollback()
    engine.dispose()
    assert differences(before, catalog(connection)) == {}


@pytest.mark.only_on("postgresql")
@pytest.mark.versions("newest")
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_a_postgresql_url_is_accepted(empty_database: Database, scheme: str) -> None:
    written = empty_database.url.replace("postgresql+psycopg", scheme, 1)
    Database(empty_database.engine_name, "postgresql", written).alembic("upgrade", "003")
    with closing(empty_database.connect()) as opened:
        assert isinstance(opened, psycopg.Connection)
        assert execute(opened, "SELECT version_num FROM alembic_version").fetchone() == ("003_optimize_audit_indexes",)
