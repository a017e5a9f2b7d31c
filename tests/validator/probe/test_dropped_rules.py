"""Each attempt can fail: the probe reports a protection that is dropped, disabled, or lets everything through."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from kms_schema import snapshots
from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.probe.attempt import Attempt, Promise
from kms_schema.validator.probe.protections import resolved
from kms_schema.validator.probe.runner import Outcome, make, probe_findings
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute
from tests.validator.probe.sessions import Tried, by_protection, copy_of, expected_of, session_on

REVISIONS = snapshots.chain()[1:]
SHARE = 5
"""Without --full, one protection in so many is taken out of a file of SQLite, where each is a copy and a session."""

DONE_BY_ANOTHER = {
    "trigger key_versions.draw_key_version_ciphertext_tag_insert": "trigger key_versions.audit_key_version_insert"
}
"""A trigger that does the same where both are there: the entry about a version has its tag, so it asks for one."""


def noticed(outcomes: list[Outcome], protection: str) -> bool:
    return any(finding.object == protection and finding.code.startswith("KMS6") for finding in probe_findings(outcomes))


def owner_is_free_to(tried: Tried) -> bool:
    """Whether all that a protection refuses is what only others may not do: `test_probe` has those."""
    return all(isinstance(each, Attempt) and each.by == "others" for each in tried)


def needs_foreign_keys(tried: Tried) -> bool:
    """Whether a replica, which keeps no foreign keys, is promised nothing of a protection."""
    return all(isinstance(each, Promise) and each.foreign_keys.get("postgresql") for each in tried)


def drop(connection: psycopg.Connection[tuple[object, ...]], protection: str, how: str) -> None:
    kind, _, name = protection.partition(" ")
    table, _, own = name.rpartition(".")
    statement = {
        "trigger": f"ALTER TABLE public.{table} DISABLE TRIGGER {own}" if how == "disabled" else
        f"DROP TRIGGER {own} ON public.{table}",
        "constraint": f"ALTER TABLE public.{table} DROP CONSTRAINT {own} CASCADE",
        "index": f"DROP INDEX public.{own}",
        "column": f"ALTER TABLE public.{table} ALTER {own} DROP NOT NULL, ALTER {own} TYPE text",
    }[kind]  # fmt: skip
    connection.execute(statement.encode())


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("how", ["dropped", pytest.param("disabled", marks=pytest.mark.full)])
def test_every_guard_that_is_gone_is_noticed_on_postgresql(database: Database, how: str) -> None:
    version = int(database.engine_name.removeprefix("postgresql-"))
    expected = expected_of("postgresql", REVISIONS[-1], version)
    with closing(database.connect()) as connection, session_on(connection) as session:
        assert isinstance(connection, psycopg.Connection)
        missed = []
        for protection, tried in by_protection("postgresql", version, expected).items():
            if not protection.startswith("trigger " if how == "disabled" else ("trigger ", "constraint ", "index ")):
                continue
            if owner_is_free_to(tried):
                continue
            with session.savepoint():
                drop(connection, protection, how)
                outcomes = list(make(session, resolved(tried, session.engine, expected)))
            if not noticed(outcomes, protection):
                missed.append(protection)
    assert missed == []


@pytest.mark.only_on("postgresql")
def test_a_trigger_that_a_replica_does_not_fire_is_noticed(database: Database) -> None:
    version = int(database.engine_name.removeprefix("postgresql-"))
    expected = expected_of("postgresql", REVISIONS[-1], version)
    missed, tried_as_replica = [], 0
    with closing(database.connect()) as connection, session_on(connection) as session:
        for circumstance in session.circumstances():
            for protection, tried in by_protection("postgresql", version, expected).items():
                if owner_is_free_to(tried) or needs_foreign_keys(tried):
                    continue
                if circumstance.triggers_only and protection.startswith("trigger "):
                    table, _, name = protection.removeprefix("trigger ").partition(".")
                    tried_as_replica += 1
                    with session.savepoint():
                        execute(connection, f"ALTER TABLE public.{table} ENABLE TRIGGER {name}")
                        if not noticed(list(make(session, resolved(tried, session.engine, expected))), protection):
                            missed.append(protection)
    assert missed == []
    assert tried_as_replica > 20


def take_away(connection: sqlite3.Connection, protection: str) -> None:
    if protection.startswith(("trigger ", "index ")):
        kind, _, name = protection.partition(" ")
        connection.execute(f"DROP {kind} {name.rpartition('.')[2]}")
    else:
        take_out_of_its_table(connection, protection)


def take_out_of_its_table(connection: sqlite3.Connection, protection: str) -> None:
    """Take a constraint, or what a column's type demands, out of the text of its table."""
    kind, _, name = protection.partition(" ")
    table, _, own = name.partition(".")
    (text,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table or name,)).fetchone()
    if kind == "column":
        changed = re.sub(rf'(\n    "?{own}"? [^\n]*?) NOT NULL', r"\1", text)
    else:
        changed = re.sub(rf",\n    CONSTRAINT {own} [^\n]*?(?=,?\n)", "", text)
    assert changed != text, protection
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (changed, table or name))
    connection.execute("PRAGMA writable_schema = OFF")


def columns_stored_by(expected: Objects) -> set[str]:
    """Return the columns of primary keys, which SQLite holds to be NOT NULL whatever is written."""
    keys = {
        str(facts["table"]): re.match(r"PRIMARY KEY ?\((.*)\)", str(facts.get("definition")))
        for facts in expected.values()
        if str(facts.get("definition")).startswith("PRIMARY KEY")
    }
    return {f"column {table}.{column}" for table, key in keys.items() if key for column in key[1].split(", ")}


def outcomes_on(connection: Connection, tried: Tried, expected: Objects) -> list[Outcome]:
    with session_on(connection) as session:
        return [
            outcome
            for _ in session.circumstances()
            for outcome in make(session, resolved(tried, session.engine, expected))
        ]


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "revision", [*(pytest.param(each, marks=pytest.mark.full) for each in REVISIONS[:-1]), REVISIONS[-1]]
)
def test_every_guard_that_is_gone_is_noticed_on_sqlite(
    database_at: Callable[[str], Database], revision: str, pytestconfig: pytest.Config
) -> None:
    database = database_at(revision)
    expected = expected_of("sqlite", revision)
    missed, stored_by = [], columns_stored_by(expected)
    every = list(by_protection("sqlite", 0, expected).items())
    for protection, tried in every if pytestconfig.getoption("--full") else every[::SHARE]:
        key = str(expected[protection].get("definition", ""))
        if protection.startswith("table ") or protection in stored_by or key.startswith(("PRIMARY KEY", "UNIQUE")):
            continue  # what the table is stored by cannot be taken out of its text alone
        if DONE_BY_ANOTHER.get(protection) in expected:
            continue
        with copy_of(database) as copy:
            take_away(copy, protection)
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as changed:
                copy.backup(changed)  # who changed the text of a table goes by the old one
                if not noticed(outcomes_on(changed, tried, expected), protection):
                    missed.append(protection)
    assert missed == []
