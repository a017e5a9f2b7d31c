"""The locks of each revision at each of its statements, up and down, as `pg_locks` has them.

Long work holds no more than SHARE UPDATE EXCLUSIVE, for which only VACUUM and other DDL wait. Stronger locks come last,
at once for all tables, and only short work follows. Each operation declares its locks, and `kms-schema preflight`
reports what is declared.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise

import pytest

from kms_schema.migrate.options import MigrationOptions
from kms_schema.preflight.plan import plan_upgrade
from kms_schema.snapshots import chain
from kms_schema.sql.declarations import MODES
from support.concurrency.locks_held import Held, Seen, locks_seen, strongest
from support.engines import Database, Engines
from support.rows.table_dump import TABLES
from support.rows.volume import fill
from support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

# What takes the longer the more rows there are.
LONG = re.compile(
    r"CREATE (UNIQUE )?INDEX|INSERT INTO \S+ \([a-z_, ]+\) SELECT|CREATE MATERIALIZED VIEW|REFRESH|"
    r"SELECT table_name, row_id, row_name|SELECT count|VALIDATE"
)
# What may follow a strong lock: catalog entries, and the locks themselves. A CHECK of a new column reads all rows: a
# moment where there are few by nature, as of policies, configurations, and the labels of the revisions of tests.
MOMENT = re.compile(
    r"DO \$\$ DECLARE relations|CREATE (CONSTRAINT )?TRIGGER|CREATE OR REPLACE FUNCTION|"
    r"ALTER TABLE \S+ ENABLE ALWAYS TRIGGER|"
    r"CREATE (OR REPLACE )?VIEW |ALTER TABLE \S+ DROP COLUMN|ALTER TABLE \S+ ADD COLUMN (?!.* CHECK )|"
    r"ALTER TABLE \S*(rotation_policies|hsm_configurations|key_labels) ADD COLUMN|"
    r"DROP (TRIGGER|FUNCTION|INDEX|VIEW|MATERIALIZED VIEW|TABLE) |"
    r"(UPDATE|DELETE FROM) alembic_version|SELECT pg_catalog\.|"
    r"DELETE FROM public.(key_audit_daily_totals|key_rotation_causes)|"
    r"DO \$\$ DECLARE old record|DO \$\$ BEGIN IF \(SELECT|ALTER (MATERIALIZED VIEW|FUNCTION|INDEX) \S+ RENAME"
)
# The first entry alone is there, and nothing is sealed, or the downgrade has refused before.
COUNTED = (
    "SELECT count(*) FROM public.key_audit_logs WHERE NOT (sequence = 1",
    "SELECT count(*) FROM public.key_audit_seals",
)

NUMBERS = tuple(revision[:3] for revision in chain())
PAIRS = tuple(pairwise(("base", *NUMBERS)))
STEPS = {
    **{f"up-to-{upper}": (lower, "upgrade", upper) for lower, upper in PAIRS},
    **{f"down-from-{upper}": (upper, "downgrade", lower) for lower, upper in reversed(PAIRS)},
}
EACH_STEP = pytest.mark.parametrize("recorded", list(STEPS), indirect=True)


DatabaseAt = Callable[..., Database]


@pytest.fixture(scope="module")
def database_at_step(engines: Engines, engine_name: str) -> DatabaseAt:
    """Give a function that copies a database at a revision, beside a host's own table, with rows where there may be."""
    engine = engines[engine_name]

    @cache
    def template(revision: str, *, rows: bool) -> Database:
        if revision == "base":
            database = engine.create()
            with closing(database.connect()) as connection:
                columns = '"timestamp" timestamptz, action_type text, user_id text, status text'
                execute(connection, f"CREATE TABLE audit_logs (id integer PRIMARY KEY, {columns})")
                execute(connection, "INSERT INTO audit_logs (id) SELECT generate_series(1, 1000)")
            return database
        (below,) = (lower for lower, upper in PAIRS if upper == revision)
        database = engine.create(template(below, rows=rows and below >= "004" and below != "base"))
        database.alembic("upgrade", revision)
        if revision == "004" and rows:
            with closing(database.connect()) as connection:
                fill(connection, events=100, keys=10)
        return database

    def copy(revision: str, *, rows: bool) -> Database:
        return engine.create(template(revision, rows=rows))

    return copy


@dataclass(frozen=True)
class Recorded:
    """The statements of a step: with the locks of every relation, and with those of tables and views alone."""

    all_kinds: list[Seen]
    tables_and_views: list[Seen]


@pytest.fixture(scope="module")
def recorded(database_at_step: DatabaseAt, request: pytest.FixtureRequest) -> Recorded:
    below, direction, target = STEPS[request.param]
    database = database_at_step(below, rows=request.param != "down-from-004")
    with locks_seen(database) as all_kinds, locks_seen(database, kinds="rvm") as tables_and_views:
        database.alembic(direction, target)
    return Recorded(all_kinds, tables_and_views)


def text(statement: str) -> str:
    """Return a statement on one line, without comments."""
    return " ".join(" ".join(line.partition("--")[0] for line in statement.splitlines()).split())


def beyond_share_update_exclusive(held: Held) -> Held:
    return {name: mode for name, mode in held.items() if MODES.index(mode) > MODES.index("SHARE UPDATE EXCLUSIVE")}


def by_transaction(seen: list[Seen]) -> Iterator[list[Seen]]:
    for _, statements in groupby(seen, key=lambda each: each.transaction):
        yield list(statements)


@EACH_STEP
def test_long_work_blocks_no_client_and_strong_locks_come_last(recorded: Recorded) -> None:
    for statements in by_transaction(recorded.all_kinds):
        strong_before: Held = {}
        for each in statements:
            strong = beyond_share_update_exclusive(each.held)
            if LONG.match(text(each.statement)) and not text(each.statement).startswith(COUNTED):
                assert strong == {}, text(each.statement)
            elif strong_before:
                assert MOMENT.match(text(each.statement)) or text(each.statement).startswith(COUNTED)
            strong_before = strong


@EACH_STEP
def test_a_revision_locks_all_tables_and_views_at_once(recorded: Recorded) -> None:
    """Else it waits for one while everybody waits for it; sequences and indexes go with their tables."""
    for statements in by_transaction(recorded.tables_and_views):
        strong = [beyond_share_update_exclusive(each.held) for each in statements]
        locked = next((held for held in strong if held), {})
        assert [held for held in strong if held and held != locked] == []


def assert_declared(seen: list[Seen]) -> None:
    """Compare what each statement declares with what it holds; a query may declare more tables than it reads."""
    for statements in by_transaction(seen):
        expected: Held = {}
        new: set[str] = set()
        for each in statements:
            declared: Held = {}
            if each.declaration is not None:
                new |= set(each.declaration.creates)
                declared = strongest(*({lock.relation: lock.mode} for lock in each.declaration.locks))
            expected = strongest(expected, declared)
            visible = {name: mode for name, mode in expected.items() if name not in new}
            if text(each.statement).startswith("SELECT"):
                assert each.held.items() <= visible.items(), text(each.statement)[:100]
                expected = each.held
            else:
                assert each.held == visible, text(each.statement)[:100]
            if each.declaration is not None and each.declaration.waits_for_transactions:
                expected = {}  # it is in no transaction


@EACH_STEP
def test_an_operation_declares_the_locks_that_it_takes(recorded: Recorded) -> None:
    assert_declared(recorded.tables_and_views)


def test_an_index_is_built_while_writers_write(database_at_step: DatabaseAt) -> None:
    database = database_at_step("004", rows=True)
    with locks_seen(database, kinds="r") as seen:
        database.alembic("upgrade", "005")
    builds = [each for each in seen if text(each.statement).startswith("CREATE INDEX CONCURRENTLY")]
    assert len(builds) == 16
    for build in builds:
        assert list(build.held.values()) == ["SHARE UPDATE EXCLUSIVE"]


# What the plan leaves out: queries, and settings, which are those of the session.
UNPLANNED = ("SELECT ", "SET ")


@pytest.mark.parametrize("step", ["up-to-006", "down-from-006"])
def test_tables_of_the_audit_trail_come_and_go_beside_keys_in_use(database_at_step: DatabaseAt, step: str) -> None:
    below, direction, target = STEPS[step]
    database = database_at_step(below, rows=True)
    in_use = {f"public.{table}" for table in TABLES if table != "key_audit_logs"}
    with locks_seen(database, kinds="rvm") as seen:
        database.alembic(direction, target)
    modes = {mode for each in seen for name, mode in each.held.items() if name in in_use}
    assert modes <= {"ACCESS SHARE"}


# What an interrupted build leaves INVALID is dropped first.
INDEX_AND_TABLE = {
    "up-to-003": ("idx_kms_audit_logs_timestamp", "audit_logs"),
    "up-to-005": ("idx_key_audit_logs_timestamp", "key_audit_logs"),
}


def leave_an_invalid_index(database: Database, index: str, table: str) -> None:
    with closing(database.connect()) as connection:
        execute(connection, f'CREATE INDEX {index} ON {table} ("timestamp")')
        statement = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = CAST(:index AS regclass)"
        execute(connection, statement, {"index": index})


@pytest.mark.parametrize(
    ("step", "interrupted"),
    [
        ("up-to-003", False),
        ("up-to-003", True),
        ("up-to-004", False),
        ("up-to-005", False),
        ("up-to-005", True),
        ("up-to-006", False),
        (f"up-to-{NUMBERS[-1]}", False),
    ],
)
def test_a_preflight_plans_the_statements_and_locks_of_the_upgrade(
    database_at_step: DatabaseAt, step: str, interrupted: bool
) -> None:
    below, _, target = STEPS[step]
    database = database_at_step(below, rows=True)
    if interrupted:
        leave_an_invalid_index(database, *INDEX_AND_TABLE[step])
    engine = database.engine()
    with engine.connect() as connection:
        plan = plan_upgrade(connection, target, MigrationOptions())
    engine.dispose()
    with locks_seen(database, kinds="rvmS") as seen:
        database.alembic("upgrade", target)
    planned = [(each.text, each.declaration) for revision in plan.revisions for each in revision.planned]
    executed = [(each.statement, each.declaration) for each in seen if each.declaration is not None]
    assert [each for each in planned if not each[0].startswith(UNPLANNED)] == [
        each for each in executed if not each[0].startswith(UNPLANNED)
    ]
    assert_declared(seen)
