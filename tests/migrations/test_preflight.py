"""Preflight on real databases: the statements of an upgrade, the clients that wait, and its problems."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import op

from kms_schema.migrate import program
from kms_schema.migrate.faults import CannotMigrateError, MigrationError, MigrationUsageError
from kms_schema.migrate.lock import one_upgrade_at_a_time
from kms_schema.preflight import postgresql, preflight
from kms_schema.preflight.report import WIDTH, as_text
from kms_schema.preflight.verdict import Disk
from kms_schema.sql import objects
from kms_schema.sql.declarations import UndeclaredError
from support.catalog import catalog, differences
from support.engines import Database
from support.engines.pgbouncer import pgbouncer
from support.errors import raises
from support.revisions import revisions
from support.rows.population import all_rows, populate
from support.statements import execute
from tests.migrations.preflight_problems import only_problem

pytestmark = pytest.mark.versions("oldest and newest")

REVISIONS = revisions()
QUESTIONS = ("SELECT", "SHOW", "PRAGMA", "BEGIN", "SAVEPOINT", "RELEASE")


@contextmanager
def executed() -> Iterator[list[str]]:
    """Write down what any engine executes meanwhile, but for questions."""
    statements: list[str] = []

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def write_down(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.lstrip().startswith(QUESTIONS):
            statements.append(statement.replace("%%", "%").strip())

    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", write_down)


def bytes_of(database: Database) -> bytes | None:
    if database.dialect == "postgresql":
        return None
    with closing(database.connect()) as connection:
        execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(sa.make_url(database.url).database or "").read_bytes()


@pytest.mark.parametrize("at", [None, "003", "004"])
def test_the_plan_is_what_an_upgrade_then_executes(
    empty_database: Database, database_at: Callable[[str], Database], at: str | None
) -> None:
    database = database_at(at) if at else empty_database
    plan = preflight(database.url).plan
    with executed() as statements:
        program.upgrade(database.url)
    assert [each.revision for each in plan.revisions] == [each for each in REVISIONS if at is None or each[:3] > at]
    planned = [statement.strip() for statement in plan.statements if not statement.startswith("SET ")]
    # Which revision a database is at, Alembic writes down by itself.
    assert [each for each in statements if not each.startswith("SET ") and "alembic_version" not in each] == planned


@pytest.mark.parametrize("at", [each[:3] for each in REVISIONS])
def test_it_changes_nothing(database_at: Callable[[str], Database], at: str) -> None:
    database = database_at(at)
    with closing(database.connect()) as connection:
        if at != "003":
            populate(connection)
        before, rows, file = catalog(connection), all_rows(connection) if at != "003" else {}, bytes_of(database)
        verdict = preflight(database.url)
        assert verdict.go
        assert differences(before, catalog(connection)) == {}
        assert (all_rows(connection) if at != "003" else {}) == rows
    assert bytes_of(database) == file
    assert at in database.alembic("current")


def test_a_database_at_the_target_has_nothing_to_do(database: Database) -> None:
    verdict = preflight(database.url)
    assert (verdict.go, verdict.plan.revisions, verdict.plan.current) == (True, (), REVISIONS[-1])
    assert "there is nothing to do." in as_text(verdict)


def test_a_revision_below_or_unknown_is_a_usage_error(database: Database) -> None:
    with pytest.raises(MigrationUsageError, match=f"003 is below {REVISIONS[-1]}: preflight is for upgrades"):
        preflight(database.url, "003")
    with pytest.raises(MigrationUsageError, match="nonsense"):
        preflight(database.url, "nonsense")


def test_a_database_at_an_unknown_revision_is_refused(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "UPDATE alembic_version SET version_num = 'ae1027a6acf'")
    with pytest.raises(MigrationError, match="alembic_version has the unknown revision 'ae1027a6acf'"):
        preflight(database.url)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE TABLE key_versions (id integer)", "key_versions"),
        ("CREATE VIEW key_masters AS SELECT 1 AS id", "key_masters"),
    ],
)
def test_an_object_with_a_name_of_this_package_is_a_problem(
    empty_database: Database, statement: str, name: str
) -> None:
    with closing(empty_database.connect()) as connection:
        execute(connection, statement)
    problem = only_problem(preflight(empty_database.url))
    assert problem.removeprefix("public.").startswith(f"{name} already exists, and is not from these migrations")
    with pytest.raises(MigrationError, match="already exists"):
        program.upgrade(empty_database.url)


def test_tables_in_use_are_reported_with_their_locks(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        populate(connection)
        if empty_database.dialect == "postgresql":
            execute(connection, "ANALYZE")
    verdict = preflight(empty_database.url)
    # On SQLite all is one transaction.
    in_turn = {*REVISIONS[2:]}
    holding = {REVISIONS[-1]} if empty_database.dialect == "sqlite" else in_turn
    assert {each.revision for each in verdict.held} == holding
    if empty_database.dialect == "sqlite":
        (held,) = verdict.held
        assert (held.works[0].lock, held.works[0].holds_up) == ("the file's write lock", "writers wait")
        return
    held_by_table = {each.relation: each for each in verdict.held if each.revision == REVISIONS[2]}
    assert {work.lock for each in verdict.held if each.revision == REVISIONS[4] for work in each.works} == {
        "SHARE ROW EXCLUSIVE"
    }
    trail = held_by_table["public.key_audit_logs"]
    assert [work.lock for work in trail.works] == ["SHARE UPDATE EXCLUSIVE"]
    assert trail.works[0].seconds is not None
    assert trail.rows is not None
    assert trail.bytes > 0
    keys = held_by_table["public.key_masters"]
    assert [(work.lock, work.seconds is None) for work in keys.works] == [
        ("SHARE UPDATE EXCLUSIVE", False),
        ("SHARE ROW EXCLUSIVE", True),
    ]
    assert any(note.startswith("clients wait for a short lock at most 0.1 s at a time") for note in verdict.notes)


def test_a_statement_without_a_declaration_is_refused(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "execute", lambda statement, _declaration: op.execute(statement))
    with raises(UndeclaredError, "statement", match="a revision does not declare the effect of this statement: "):
        preflight(empty_database.url)


@pytest.mark.only_on("postgresql")
def test_an_index_that_was_left_invalid_is_reported(database: Database) -> None:
    database.alembic("downgrade", "004")
    with closing(database.connect()) as connection:
        execute(connection, "CREATE INDEX idx_key_audit_logs_timestamp ON key_audit_logs (timestamp)")
        execute(
            connection,
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_key_audit_logs_timestamp'::regclass",
        )
    verdict = preflight(database.url)
    assert verdict.go
    assert (
        "public.idx_key_audit_logs_timestamp was left INVALID by an interrupted build: it will be built again"
        in verdict.notes
    )


@pytest.mark.only_on("postgresql")
def test_another_upgrade_and_old_transactions_are_reported(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_database.alembic("upgrade", "004")
    monkeypatch.setattr(postgresql, "LONG_SECONDS", 0)
    engine = empty_database.engine()
    with engine.connect() as other, one_upgrade_at_a_time(other, wait_seconds=1, lock_timeout_ms=1000):
        assert "another session (server process" in only_problem(preflight(empty_database.url))
    with engine.connect() as other:
        process = other.scalar(sa.text("SELECT pg_backend_pid()"))
        verdict = preflight(empty_database.url)
        assert verdict.go
        assert any(
            note.startswith(f"transaction {process} of postgres (idle in transaction) has been open for")
            for note in verdict.notes
        )
    engine.dispose()
    assert not any("has been open" in note for note in preflight(empty_database.url).notes)


@pytest.mark.only_on("postgresql")
def test_transaction_pooling_is_a_problem(empty_database: Database) -> None:
    with pgbouncer(empty_database.url, "transaction") as url:
        assert "pools transactions, but an upgrade needs a session" in only_problem(preflight(url))


@pytest.mark.only_on("postgresql")
def test_the_room_that_indexes_take_is_estimated(empty_database: Database) -> None:
    """From the planner's statistics: within half and double of what they take."""
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        execute(
            connection,
            "INSERT INTO key_audit_logs (event_type, event_category, event_description, user_id, security_level,"
            " risk_score) SELECT 'KEY_USED', 'LIFECYCLE', 'read', 'user ' || i % 100, 'LOW', i % 100"
            " FROM generate_series(1, 30000) AS i",
        )
        execute(connection, "ANALYZE")
        disk = preflight(empty_database.url, "005").disk
        indexes = "SELECT sum(pg_indexes_size(oid)) FROM pg_class WHERE relname = 'key_audit_logs'"
        (before,) = connection.execute(indexes).fetchone() or ()
        program.upgrade(empty_database.url, "005")
        (after,) = connection.execute(indexes).fetchone() or ()
    assert (after - before) / 2 < disk.needed_bytes < (after - before) * 2
    assert disk.enough


def test_room_that_is_not_there_is_not_enough() -> None:
    assert not Disk(needed_bytes=11, free_bytes=10).enough
    assert Disk(needed_bytes=10, free_bytes=10).enough
    assert Disk(needed_bytes=10, free_bytes=None).enough


def test_a_file_that_does_not_exist_is_not_created_yet(tmp_path: Path) -> None:
    file = tmp_path / "kms.db"
    verdict = preflight(f"sqlite:///{file}")
    assert verdict.go
    assert verdict.notes == (f"there is no file {file}: the upgrade creates it",)
    assert list(tmp_path.iterdir()) == []
    missing = tmp_path / "missing" / "kms.db"
    assert only_problem(preflight(f"sqlite:///{missing}")) == f"there is no folder {missing.parent}: create it first"


def test_a_database_in_memory_has_no_preflight() -> None:
    with pytest.raises(CannotMigrateError, match="name a file"):
        preflight("sqlite://")


def test_the_report_fits_a_narrow_terminal(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    lines = as_text(preflight(empty_database.url)).splitlines()
    assert lines[-1] == "GO"
    assert max(map(len, lines[1:])) <= WIDTH  # the first is the URL
