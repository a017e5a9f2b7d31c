"""The validator finds nothing on what the package made, and each drift as one finding that names the right object."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic.config import Config
from alembic.script import ScriptDirectory

from kms_schema import Waiver, snapshots, validate
from kms_schema.snapshots import Attributes
from kms_schema.validator import ValidationError
from kms_schema.validator.catalog import postgresql_reader, sqlite_reader
from kms_schema.validator.catalog.attributes import kind_and_name
from support.engines import Database, Engines
from support.engines.database import ALEMBIC_INI, Connection
from support.reports import found, report_on, run
from tests.validator import drifts_postgresql, drifts_sqlite
from tests.validator.drift_batches import is_run, together
from tools.snapshot_files import differing, symbolic

CHAIN = snapshots.chain()
PARTS = 3
"""The drifts are dealt out to as many tests, for as many processes to take."""


@contextmanager
def copies(engines: Engines, engine_name: str) -> Iterator[Callable[[], Database]]:
    """Give a function that makes a migrated database; all of them are dropped in the end."""
    made: list[Database] = []
    template = engines.migrated(engine_name, "template")

    def copy() -> Database:
        made.append(engines[engine_name].create(template))
        return made[-1]

    try:
        yield copy
    finally:
        for database in made:
            engines[engine_name].drop(database)


def test_a_fresh_upgrade_has_no_findings(database: Database) -> None:
    report = report_on(database)
    assert found(report) == []
    assert report.compared_with == CHAIN[-1]
    assert not report.fails()


@pytest.mark.parametrize("revision", CHAIN[:-1])
def test_an_older_revision_is_compared_with_its_own_snapshot(
    database_at: Callable[[str], Database], revision: str
) -> None:
    report = report_on(database_at(revision))
    assert found(report) == [("KMS002", "revision of the database")]
    assert report.compared_with == revision
    assert f"behind by {len(CHAIN) - 1 - CHAIN.index(revision)}" in report.findings[0].impact


def test_an_empty_database_is_one_finding(empty_database: Database) -> None:
    assert found(report_on(empty_database)) == [("KMS001", "revision of the database")]


@pytest.mark.parametrize("revision", CHAIN[1:])
def test_a_database_that_lost_its_stamp_is_compared_with_what_it_is_most_like(
    database_at: Callable[[str], Database], revision: str
) -> None:
    database = database_at(revision)
    with closing(database.connect()) as connection:
        run(connection, "DELETE FROM alembic_version")
    report = report_on(database)
    assert found(report) == [("KMS001", "revision of the database")]
    assert report.compared_with == revision


@pytest.mark.parametrize("revision", CHAIN[1:-1])
def test_a_database_that_is_exactly_of_another_revision_than_its_stamp_is_one_finding(
    database_at: Callable[[str], Database], revision: str
) -> None:
    database = database_at(revision)
    with closing(database.connect()) as connection:
        run(connection, f"UPDATE alembic_version SET version_num = '{CHAIN[-1]}'")  # noqa: S608
    report = report_on(database)
    assert found(report) == [("KMS005", "revision of the database")]
    assert report.compared_with == revision


def test_two_stamped_revisions_are_a_finding(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(connection, f"INSERT INTO alembic_version VALUES ('{CHAIN[0]}')")  # noqa: S608
    assert found(report_on(database)) == [("KMS004", "revision of the database")]


@pytest.mark.versions("oldest and newest")
@pytest.mark.parametrize("part", range(PARTS))
def test_each_drift_is_one_finding_and_its_sql_fixes_it(engines: Engines, engine_name: str, part: int) -> None:
    """Every kind of object and every attribute is drifted once; see the `drifts_…` modules.

    On PostgreSQL drifts of different objects share a database. One whose drifts were fixed is drifted again: the
    findings of the next show that nothing was left. On SQLite the text of a table is another one then, so that each
    drift has a file of its own.
    """
    is_file = engine_name.startswith("sqlite")
    drifts: Sequence[Any] = (drifts_sqlite.DRIFTS if is_file else drifts_postgresql.DRIFTS)[part::PARTS]
    wrong: dict[str, object] = {}
    fixed: list[str] = []
    with copies(engines, engine_name) as copy, ExitStack() as opened:
        connection: Connection | None = None
        for batch in (*([[drift] for drift in drifts] if is_file else together(drifts)), ()):
            connection = connection or opened.enter_context(closing(copy().connect()))
            for drift, _, _ in batch:
                run(connection, drift)
            report, expected = validate(connection), sorted((code, key) for _, code, key in batch)
            if sorted(found(report)) != expected:
                wrong[f"{batch}, after {fixed[-1:]}"] = found(report)
            else:
                findings = [each for each in report.findings if (each.code, each.object) in expected]
                ran = [each for each in findings if is_run(connection, each, wrong)]
                fixed += [each.remediation for each in ran]
                if len(ran) == len(batch) and not is_file:
                    continue
                remaining = [(each.code, each.object) for each in findings if each not in ran]
                if ran and (left := found(validate(connection))) != remaining:
                    wrong[f"{batch} is fixed"] = left
            opened.close()
            connection = None
    assert wrong == {}
    assert len(fixed) > len(drifts) // 4


@pytest.mark.only_on("postgresql")
def test_definitions_stay_what_they_are_when_read_in_again(database: Database) -> None:
    """A dump and restore has the server parse its own renderings: that must not look like a drift."""
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        with postgresql_reader.reading(connection, "public") as reader:
            objects = reader.objects(None)
        for key, facts in objects.items():
            connection.execute(again(key, facts).encode())
        assert found(validate(connection)) == []
        with postgresql_reader.reading(connection, "public") as reader:
            after = reader.objects(None)
    changed = {
        key
        for key, facts in objects.items()
        if "view " in key and after[f"view again_{key.split()[-1]}"]["definition"] != facts["definition"]
    }
    assert changed == set()


def again(key: str, facts: Attributes) -> str:
    """Return what drops and makes an object from its definition; of a view, what makes another one from it."""
    kind, name = kind_and_name(key)
    last, definition = name.rpartition(".")[2], facts.get("definition", "")
    made = definition.replace("{name}", last)
    if kind == "constraint" and definition.startswith("CHECK"):
        return f"ALTER TABLE {facts['table']} DROP CONSTRAINT {last}, ADD CONSTRAINT {last} {definition}"
    if kind == "index" and not any(need.startswith("constraint ") for need in facts["needs"]):
        return f"DROP INDEX {last}; {made}"
    if kind == "trigger":
        table = facts["table"]
        return f"DROP TRIGGER {last} ON {table}; {made}; ALTER TABLE {table} ENABLE {facts['enabled']} TRIGGER {last}"
    return f"CREATE VIEW again_{name} AS {definition}" if "view" in kind else "SELECT"


TUNING = (
    ("ALTER TABLE key_versions SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01)", "KMS308", "info"),
    ("ALTER TABLE key_versions RESET (fillfactor)", "KMS309", "warning"),
    ("ALTER TABLE key_audit_logs SET (parallel_workers = 4, toast.autovacuum_enabled = off)", "KMS308", "info"),
    ("ALTER MATERIALIZED VIEW key_health_monitor SET (fillfactor = 50)", "KMS308", "info"),
    ("ALTER TABLE key_masters ALTER status SET STATISTICS 10", "KMS308", "info"),
    ("ALTER TABLE key_masters ALTER status SET (n_distinct = 5)", "KMS308", "info"),
    ("ALTER TABLE key_versions ALTER encrypted_key_data SET STORAGE EXTERNAL", "KMS308", "info"),
    ("CREATE STATISTICS more ON status, key_type FROM key_masters", "KMS222", "info"),
    ("CLUSTER key_masters USING pk_key_masters", "KMS308", "info"),
)


@pytest.mark.only_on("postgresql")
def test_tuning_is_no_error(database: Database) -> None:
    for statement, code, severity in TUNING:
        with closing(database.connect()) as connection:
            run(connection, "BEGIN")
            run(connection, statement)
            run(connection, "COMMIT")
            report = validate(connection)
        assert (code, severity) in {(each.code, each.severity) for each in report.findings}, statement
        assert not report.fails()


def test_objects_of_the_host_are_findings_only_where_they_are_asked_for(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(connection, "CREATE TABLE invoices (id integer PRIMARY KEY)")
    assert found(report_on(database)) == []
    assert found(report_on(database, strict=True)) == [("KMS902", "table invoices")]


def test_a_fresh_upgrade_has_no_unmanaged_objects(database: Database) -> None:
    assert found(report_on(database, strict=True)) == []


def test_validating_writes_nothing_and_leaves_the_connection_as_it_was(database: Database) -> None:
    with closing(database.connect()) as connection:
        if isinstance(connection, psycopg.Connection):
            connection.autocommit = False
            connection.execute("SET search_path = public, pg_catalog")
            connection.commit()
        for _ in range(2):
            assert found(validate(connection)) == []
        if isinstance(connection, psycopg.Connection):
            assert not connection.autocommit
            assert connection.execute("SHOW search_path").fetchone() == ("public, pg_catalog",)
            assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)
        else:
            assert not connection.in_transaction


def test_a_connection_in_a_transaction_is_refused(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute("BEGIN")
        with pytest.raises(ValidationError, match="idle"):
            validate(connection)


def test_a_connection_of_another_library_is_refused_with_what_to_pass(database: Database) -> None:
    with closing_engine(database) as engine, engine.connect() as connection:
        with pytest.raises(TypeError, match=r"not sqlalchemy.engine.base.Connection; .*driver_connection"):
            validate(connection)  # type: ignore[arg-type]
        assert found(validate(connection.connection.driver_connection)) == []


@contextmanager
def closing_engine(database: Database) -> Iterator[sqlalchemy.Engine]:
    engine = database.engine()
    try:
        yield engine
    finally:
        engine.dispose()


def test_a_report_says_which_database_it_is_about_and_when_it_was_read(database: Database) -> None:
    report = report_on(database)
    assert report.checked_at is not None
    assert abs((datetime.now(UTC) - report.checked_at).total_seconds()) < 60
    assert report.database.partition(" at ")[0] in database.url
    assert "table key_masters" in report.checked


def test_waivers_are_given_to_the_library_too(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(connection, "CREATE INDEX extra ON key_audit_logs (user_id)")
        report = validate(connection, waivers=[Waiver("KMS132", "TICKET-7", date.max)])
    assert found(report) == []
    assert [waived.finding.object for waived in report.waived] == ["index extra"]


@pytest.mark.only_on("postgresql")
def test_settings_of_the_session_change_nothing(database: Database) -> None:
    """The server writes constants in expressions as the session wants them written."""
    with closing(database.connect()) as connection:
        run(
            connection,
            "SET IntervalStyle = iso_8601; SET bytea_output = escape; SET quote_all_identifiers = on;"
            " SET DateStyle = german; SET extra_float_digits = -15; SET search_path = public, pg_temp",
        )
        assert found(validate(connection)) == []


def test_the_snapshots_are_current(empty_database: Database) -> None:
    """(migrations → DDL) = (what the validator expects), after each revision."""
    for revision in CHAIN:
        empty_database.alembic("upgrade", revision)
        with closing(empty_database.connect()) as connection:
            if isinstance(connection, sqlite3.Connection):
                with sqlite_reader.reading(connection) as sqlite:
                    seen, version, engine = sqlite.objects(None), sqlite.version, "sqlite"
            else:
                with postgresql_reader.reading(connection, "public") as postgresql:
                    seen, version, engine = postgresql.objects(None), postgresql.version, "postgresql"
                seen = symbolic(seen, connection.info.user)
        assert differing(engine, revision, version, seen) == [], f"{revision}: run python -m tools.snapshots"


def test_the_chain_is_that_of_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(Config(str(ALEMBIC_INI))).walk_revisions()
    assert [script.revision for script in scripts][::-1] == list(CHAIN)
