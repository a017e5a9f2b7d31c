"""Rows that violate a rule of 005 and are written before its triggers exist: it checks again when they do."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from kms_schema.migrate.faults import MigrationError
from support.catalog import Catalog, catalog, differences
from support.concurrency.statement_hook import LOCKING, statement_hook
from support.concurrency.statements import Statement
from support.engines import Database, Engine
from support.engines.database import ALEMBIC_INI, Connection
from support.reports import report_on
from support.rows.population import all_rows
from support.rows.smallest import insert, key_master, rotation_policy
from support.statements import execute
from support.violations.by_rule import A_VIOLATION_OF_EACH_TABLE
from support.violations.violation import REVISION, Broken, Violation, foreign_keys_off, revision, violating

pytestmark = pytest.mark.only_on("postgresql")

BUILDING = "CREATE INDEX CONCURRENTLY"
"""What begins after the first look."""
INDEXES = {index.name for index in revision().INDEXES}


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


def commit(connection: Connection, statement: Statement) -> None:
    with foreign_keys_off(connection):
        execute(connection, statement.sql, statement.parameters)


def indexes_of(changed: dict[str, object]) -> set[str]:
    """Return the indexes that are new, where nothing but these has changed."""
    new = {name.rpartition(" ")[2].rpartition(".")[2] for name in changed if name.startswith("relation")}
    assert [name for name in changed if not any(index in name for index in new)] == []
    return new


def refused(database: Database, connection: Connection, broken: Broken, moment: str) -> str:
    """Upgrade while the rule is broken; return what the upgrade says, which must not have changed anything."""
    before = catalog(connection)
    with pytest.raises(CommandError) as caught, statement_hook(moment, lambda: commit(connection, broken.breaking)):
        database.alembic("upgrade", "head")
    assert indexes_of(differences(before, catalog(connection))) == INDEXES
    assert "004_create" in database.alembic("current")
    return str(caught.value)


@pytest.mark.parametrize(
    "moment", [pytest.param(BUILDING, marks=pytest.mark.full), LOCKING], ids=["building", "locking"]
)
@A_VIOLATION_OF_EACH_TABLE
def test_a_row_that_comes_after_a_check_is_found_by_the_next(
    copy: Database, other: Connection, database_at: Callable[[str], Database], violation: Violation, moment: str
) -> None:
    broken = violation.make(other)
    said = refused(copy, other, broken, moment)
    first, *told, advice = said.splitlines()
    assert first.endswith(f", written during the upgrade: {violation.rule} ({len(broken.rows)})")
    assert "run the upgrade again" in advice
    assert len(told) == len(broken.rows)
    for row, name in broken.rows:
        (line,) = (line for line in told if f" {row['id']} " in line)
        assert line.startswith(f"  {violation.rule}: ")
        assert name in line
        assert broken.says in line
    rows = all_rows(other)
    execute(other, broken.fixing.sql, broken.fixing.parameters)
    copy.alembic("upgrade", REVISION)
    assert all_rows(other).keys() == rows.keys()
    assert violating(other) == []
    with closing(database_at(REVISION).connect()) as usual:
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
    ((kek,),) = execute(other, "SELECT max(parent_key_id) FROM key_masters").fetchall()
    insert(other, "key_masters", **key_master(parent_key_id=kek))  # with no version, which would lead to its parent's
    ((rows,),) = execute(other, broken).fetchall()
    assert rows
    no_kek = Statement("UPDATE key_masters SET key_type = 'dek' WHERE key_type IN ('kek', 'hsm')", {})
    with (
        pytest.raises(CommandError, match=rf"written during the upgrade: .*\b{rule} \({rows}\)"),
        statement_hook(LOCKING, lambda: commit(other, no_kek)),
    ):
        copy.alembic("upgrade", "head")


def a_policy_without_limits(connection: Connection) -> None:
    insert(connection, "rotation_policies", **rotation_policy(policy_name="aimless", rotation_interval_days=None))


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_the_second_check_sees_what_others_have_committed_whatever_the_isolation(
    copy: Database, other: Connection, isolation: str
) -> None:
    """A snapshot that was taken before the locks would not."""
    name = sa.make_url(copy.url).database
    execute(other, f"ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'")
    with (
        pytest.raises(CommandError, match=r"\(aimless\) has nothing that makes a key due"),
        statement_hook(LOCKING, lambda: a_policy_without_limits(other)),
    ):
        copy.alembic("upgrade", "head")


def before_the_second_check(do: Callable[[], object]) -> AbstractContextManager[None]:
    """Do something when the triggers are committed and no row has been looked at since."""
    return statement_hook("SELECT table_name, row_id", do, after=LOCKING)


def interrupt() -> None:
    raise KeyboardInterrupt


def interrupted(copy: Database) -> None:
    """Upgrade until the triggers are committed."""
    with pytest.raises(KeyboardInterrupt), before_the_second_check(interrupt):
        copy.alembic("upgrade", "005")
    assert "004_create" in copy.alembic("current")


def test_no_client_waits_for_the_second_check(copy: Database, other: Connection) -> None:
    """It takes the longer the more rows there are; whoever writes while it goes on meets the triggers, and no lock."""

    def write() -> None:
        execute(other, "SET lock_timeout = '1ms'")
        for table in revision().TABLES:
            execute(other, f"DELETE FROM {table} WHERE false")  # noqa: S608  (our own names)
        execute(other, "UPDATE key_masters SET usage_count = usage_count + 1")
        with pytest.raises(psycopg.errors.CheckViolation, match="has nothing that makes a key due"):
            a_policy_without_limits(other)

    with before_the_second_check(write):
        copy.alembic("upgrade", "005")
    assert violating(other) == []


def test_an_upgrade_that_is_interrupted_before_the_second_check_continues_with_it(
    copy: Database, other: Connection, database: Database
) -> None:
    interrupted(copy)
    (finding,) = (each for each in report_on(copy).findings if each.code == "KMS005")
    assert finding.actual == "004_create_key_management_system"
    assert finding.impact.endswith("before its second check of rows; run: kms-schema upgrade")
    assert finding.remediation == "-- manual action: run: kms-schema upgrade"
    with pytest.raises(MigrationError, match=r"rotations_due depends on .*, complete that with `upgrade`"):
        copy.alembic("-x", "allow-audit-loss=yes", "downgrade", "003")
    copy.alembic("upgrade", "head")
    with closing(database.connect()) as usual:
        assert differences(catalog(usual), catalog(other)) == {}


def test_what_came_before_an_interruption_is_found_and_the_triggers_stay(copy: Database, other: Connection) -> None:
    """They may be those of a database in use whose stamp is wrong."""
    with statement_hook(LOCKING, lambda: a_policy_without_limits(other)):
        interrupted(copy)
    made = catalog(other)
    with pytest.raises(
        CommandError, match=r"\(aimless\) has nothing .*\n.*\nUntil then the triggers stay: they were there"
    ):
        copy.alembic("upgrade", "head")
    assert differences(made, catalog(other)) == {}
    execute(other, "DELETE FROM rotation_policies WHERE policy_name = 'aimless'")
    copy.alembic("upgrade", "head")
    assert violating(other) == []


def test_triggers_of_an_interrupted_upgrade_are_dropped_by_stamp_and_downgrade(
    copy: Database, other: Connection
) -> None:
    before = catalog(other)
    interrupted(copy)
    copy.alembic("stamp", "005")
    copy.alembic("downgrade", "004")
    assert differences(before, catalog(other)) == {}


def test_a_later_database_with_a_wrong_stamp_is_refused(copy: Database, other: Connection) -> None:
    copy.alembic("upgrade", "head")
    copy.alembic("stamp", "004")
    before = catalog(other)
    with pytest.raises(MigrationError, match="already exists"):
        copy.alembic("upgrade", "head")
    assert differences(before, catalog(other)) == {}
    assert "004_create" in copy.alembic("current")


def test_triggers_that_cannot_be_dropped_stay(copy: Database, other: Connection) -> None:
    with closing(copy.connect()) as reader:

        def begin_to_read() -> None:
            a_policy_without_limits(other)
            reader.execute("BEGIN; SELECT count(*) FROM key_versions")

        with pytest.raises(CommandError) as caught, statement_hook(LOCKING, begin_to_read):
            copy.alembic("-x", "lock-timeout-ms=20", "upgrade", "head")
    *_, advice, kept = str(caught.value).splitlines()
    assert "run the upgrade again" in advice
    assert kept.startswith("Until then the triggers stay, since they could not be dropped: canceling statement due to")
    assert "key_versions could not be locked; in use by process" in kept


HOLDING = "SELECT alembic_version.version_num"
"""How the statement begins that keeps other upgrades away, when the triggers are committed."""


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = '005_optimize_key_management'",
        "DROP TRIGGER enforce_key_rotation_lifecycle ON key_rotations",
    ],
    ids=["another is through", "another has taken it back"],
)
def test_an_upgrade_that_another_overtakes_changes_nothing(copy: Database, other: Connection, statement: str) -> None:
    """A host's environment may run without this package's lock."""
    after: list[Catalog] = []

    def overtake() -> None:
        execute(other, "ALTER TABLE rotation_policies DISABLE TRIGGER USER")
        a_policy_without_limits(other)
        execute(other, "ALTER TABLE rotation_policies ENABLE TRIGGER USER")
        execute(other, statement)
        after.append(catalog(other))

    with (
        pytest.raises(CommandError, match="another upgrade is at 005_optimize_key_management, too: run this again"),
        statement_hook(HOLDING, overtake, after=LOCKING),
    ):
        copy.alembic("upgrade", "005")
    assert differences(after[0], catalog(other)) == {}


def test_the_version_row_is_locked_while_rows_are_checked(copy: Database, other: Connection) -> None:
    def take_it() -> None:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            execute(other, "SELECT version_num FROM alembic_version FOR UPDATE NOWAIT")

    with before_the_second_check(take_it):
        copy.alembic("upgrade", "005")


def test_a_host_whose_transaction_sees_no_new_rows_is_warned(
    copy: Database, other: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = sa.create_engine(copy.url, isolation_level="REPEATABLE READ")
    with engine.connect() as connection, connection.begin(), statement_hook(LOCKING, lambda: None):
        migrate_over(connection)
    engine.dispose()
    assert "rows written during the upgrade cannot be seen in a repeatable read transaction" in capsys.readouterr().err
    assert violating(other) == []


def migrate_over(connection: sa.Connection) -> None:
    """Upgrade inside the transaction that the caller holds open."""
    configuration = Config(str(ALEMBIC_INI), attributes={"connection": connection})
    command.upgrade(configuration, "head")


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
