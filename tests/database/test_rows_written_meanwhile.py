"""Rows that break a rule of 005 and are written while it builds its indexes: it looks at them, also under its locks."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from kms_schema.sql import newcomers
from tests.before_statement import LOCKING, before_statement
from tests.breaches import Breach, Broken, foreign_keys_off, revision, violating
from tests.catalog import catalog, differences
from tests.engines import Database, Engine
from tests.engines.database import ALEMBIC_INI, Connection
from tests.moves import Move
from tests.population import contents
from tests.rows import insert, key_master, rotation_policy
from tests.statements import execute
from tests.violating_rows import BREACHES

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

BUILDING = "CREATE INDEX CONCURRENTLY"
"""What begins after the first look."""
INDEXES = {name for name, *_ in revision().INDEXES}
BREACHES_HERE = [each for each in BREACHES if "postgresql" in each.dialects]


@pytest.fixture
def copy(engine: Engine, small: Database) -> Iterator[Database]:
    """A database at 004 of the test's own."""
    made = engine.create(small)
    yield made
    engine.drop(made)


@pytest.fixture
def other(copy: Database) -> Iterator[Connection]:
    """Another session."""
    with closing(copy.connect()) as opened:
        yield opened


def commit(connection: Connection, move: Move) -> None:
    with foreign_keys_off(connection):
        execute(connection, move.statement, move.parameters)


def refused(database: Database, connection: Connection, broken: Broken, moment: str) -> str:
    """Upgrade while the rule is broken; return what the upgrade says, which must not have changed anything."""
    before = catalog(connection)
    with pytest.raises(CommandError) as caught, before_statement(moment, lambda: commit(connection, broken.breaking)):
        database.alembic("upgrade", "head")
    changed = differences(before, catalog(connection))
    assert {name.rpartition(" ")[2].rpartition(".")[2] for name in changed if name.startswith("relation")} == INDEXES
    assert all(any(index in name for index in INDEXES) for name in changed)
    assert "004_create" in database.alembic("current")
    return str(caught.value)


@pytest.mark.parametrize("moment", [BUILDING, LOCKING], ids=["building", "locking"])
@pytest.mark.parametrize("breach", BREACHES_HERE, ids=str)
def test_a_row_that_comes_after_a_look_is_found_by_the_next(
    copy: Database, other: Connection, database: Database, breach: Breach, moment: str
) -> None:
    broken = breach.make(other)
    said = refused(copy, other, broken, moment)
    first, *told, advice = said.splitlines()
    assert first.endswith(f", written while it was under way: {breach.rule} ({len(broken.rows)})")
    assert "run the upgrade again" in advice
    assert len(told) == len(broken.rows)
    for row, name in broken.rows:
        (line,) = (line for line in told if f" {row['id']} " in line)
        assert line.startswith(f"  {breach.rule}: ")
        assert name in line
        assert broken.says in line
    rows = contents(other)
    execute(other, broken.mending.statement, broken.mending.parameters)
    copy.alembic("upgrade", "head")
    assert contents(other).keys() == rows.keys()
    assert violating(other) == []
    with closing(database.connect()) as usual:
        assert differences(catalog(usual), catalog(other)) == {}


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("validate_key_version_wrapper", "SELECT count(*) FROM key_versions WHERE wrapped_by_version_id IS NOT NULL"),
        ("validate_key_master_parent", "SELECT count(*) FROM key_masters WHERE parent_key_id IS NOT NULL"),
    ],
)
def test_rows_that_are_as_they_were_are_found_where_what_they_refer_to_has_changed(
    copy: Database, other: Connection, rule: str, broken: str
) -> None:
    ((kek,),) = execute(
        other, "SELECT parent_key_id FROM key_masters WHERE parent_key_id IS NOT NULL LIMIT 1"
    ).fetchall()
    insert(other, "key_masters", **key_master(parent_key_id=kek))  # with no version, which would lead to its parent's
    ((rows,),) = execute(other, broken).fetchall()
    assert rows
    no_kek = Move("UPDATE key_masters SET key_type = 'dek' WHERE key_type IN ('kek', 'hsm')", {})
    with (
        pytest.raises(CommandError, match=rf"written while it was under way: .*\b{rule} \({rows}\)"),
        before_statement(LOCKING, lambda: commit(other, no_kek)),
    ):
        copy.alembic("upgrade", "head")


@pytest.mark.parametrize("breach", [BREACHES_HERE[0], BREACHES_HERE[-1]], ids=str)
def test_where_too_much_has_changed_it_looks_at_everything(
    copy: Database, other: Connection, breach: Breach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "_MANY", 1)
    broken = breach.make(other)
    assert f"{breach.rule} ({len(broken.rows)})" in refused(copy, other, broken, LOCKING)


def a_policy_without_limits(connection: Connection) -> None:
    insert(connection, "rotation_policies", **rotation_policy(policy_name="aimless", rotation_interval_days=None))


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_the_second_look_sees_what_others_have_committed_whatever_the_isolation(
    copy: Database, other: Connection, isolation: str
) -> None:
    """A snapshot that was taken before the locks would not."""
    name = sa.make_url(copy.url).database
    execute(other, f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")
    with (
        pytest.raises(CommandError, match=r"\(aimless\) has nothing that makes a key due"),
        before_statement(LOCKING, lambda: a_policy_without_limits(other)),
    ):
        copy.alembic("upgrade", "head")


def test_what_was_written_while_indexes_were_built_is_found_before_anybody_waits(
    copy: Database, other: Connection
) -> None:
    with (
        pytest.raises(AssertionError, match="no statement began with DO"),
        before_statement(LOCKING, lambda: None),
        pytest.raises(CommandError, match=r"\(aimless\) has nothing that makes a key due"),
        before_statement(BUILDING, lambda: a_policy_without_limits(other)),
    ):
        copy.alembic("upgrade", "005")


def test_a_host_that_sees_no_newcomers_is_told(
    copy: Database, other: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = sa.create_engine(copy.url, isolation_level="REPEATABLE READ")
    with engine.connect() as connection, connection.begin(), before_statement(LOCKING, lambda: None):
        migrate_over(connection)
    engine.dispose()
    assert "rows written during the upgrade cannot be seen in a repeatable read transaction" in capsys.readouterr().err
    assert violating(other) == []


def migrate_over(connection: sa.Connection) -> None:
    """Upgrade inside the transaction that the caller holds open."""
    configuration = Config(str(ALEMBIC_INI), attributes={"connection": connection})
    command.upgrade(configuration, "head")


def test_a_second_look_that_takes_too_long_holds_nobody_up(
    copy: Database, other: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may look for as long as it may wait for a lock, and says that it gave up."""
    copy.alembic("-x", "lock-timeout-ms=1", "upgrade", "005")
    assert "could not be looked at within 1ms: they may break rules" in capsys.readouterr().err
    assert execute(other, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchone() == (32,)


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_connection_that_was_handed_in_keeps_its_settings(copy: Database, isolation: str) -> None:
    engine = sa.create_engine(copy.url, isolation_level=isolation, poolclass=sa.NullPool)
    settings = sa.text("SELECT current_setting('lock_timeout'), current_setting('transaction_isolation')")
    with engine.connect() as connection:
        connection.execute(sa.text("SET lock_timeout = '7s'"))
        connection.commit()
        migrate_over(connection)
        assert tuple(connection.execute(settings).one()) == ("7s", isolation.lower())
    engine.dispose()
