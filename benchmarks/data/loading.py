"""Writes the rows into a database at 004: by COPY on PostgreSQL, in one transaction on SQLite.

Revision 004 has every table, and only the triggers of the audit log: at head, each key and rotation would add an entry.
The upgrade checks the rules of the later triggers.

Entries have times in the past, which only a restore may give: the owner sets `kms.restore`. On SQLite a restore creates
the triggers of the audit log after its rows, and so does this module.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import psycopg

from benchmarks.data.events import EVENT_COLUMNS, events
from benchmarks.data.keys import MASTER_COLUMNS, VERSION_COLUMNS, Registry
from benchmarks.data.rotations import POLICY_COLUMNS, ROTATION_COLUMNS
from benchmarks.data.size import Ages, Size
from kms_schema.cli.progress import clear, on_terminal, show_count
from support.engines.database import Connection

KEYS_AT_ONCE = 2_000
EVENTS_AT_ONCE = 20_000
USED_KEYS = "SELECT id, key_id FROM key_masters WHERE status <> 'pending' AND key_type <> 'kek'"


def load_keys(connection: Connection, size: Size, seed: int, ages: Ages) -> None:
    """Add policies, keys, versions and rotations."""
    registry = Registry(size, seed, ages)
    policies = [policy.row(identifier) for identifier, policy in registry.policies.values()]
    with transaction(connection):
        add(connection, "rotation_policies", POLICY_COLUMNS, policies)
        made = 0
        for keys in batches(registry.keys(), KEYS_AT_ONCE):
            add(connection, "key_masters", MASTER_COLUMNS, (key.master for key in keys))
            add(connection, "key_versions", VERSION_COLUMNS, chain.from_iterable(key.versions for key in keys))
            add(connection, "key_rotations", ROTATION_COLUMNS, chain.from_iterable(key.rotations for key in keys))
            made += len(keys)
            _report("keys", made, size.keys)
    clear()


def used_keys(connection: Connection) -> list[str]:
    """Return the ids of the keys with which an application encrypts or decrypts, the most used first."""

    def rank(row: tuple[Any, ...]) -> tuple[int, str]:
        key_type, _, number = row[1].partition("-")
        return int(number), key_type

    return [_digits(row[0]) for row in sorted(connection.execute(USED_KEYS).fetchall(), key=rank)]


def _digits(identifier: Any) -> str:
    return str(getattr(identifier, "hex", identifier))


def load_events(connection: Connection, size: Size, seed: int, ages: Ages) -> None:
    """Add audit entries about the keys that `load_keys` added for the same size and seed."""
    rows = events(size.events, seed, ages, used_keys(connection))
    with transaction(connection), _restoring(connection) as (columns, first):
        made = 0
        for batch in batches(rows, EVENTS_AT_ONCE):
            numbered = batch if first is None else [(*row, first + made + place) for place, row in enumerate(batch)]
            add(connection, "key_audit_logs", columns, numbered)
            made += len(batch)
            _report("audit entries", made, size.events)
    clear()


@contextmanager
def _restoring(connection: Connection) -> Iterator[tuple[Sequence[str], int | None]]:
    """Permit given times of entries; yields the columns to give, and the first sequence if it is one of them."""
    if not isinstance(connection, sqlite3.Connection):
        connection.execute("SET LOCAL kms.restore = on")
        yield EVENT_COLUMNS, None
        return
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'key_audit_logs'"
    ).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    ((last,),) = connection.execute("SELECT max(sequence) FROM key_audit_logs").fetchall()
    yield (*EVENT_COLUMNS, "sequence"), last + 1
    for _, statement in triggers:
        connection.execute(statement)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit the block, or roll it back."""
    if not isinstance(connection, sqlite3.Connection):
        with connection.transaction():
            yield
        return
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


def add(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows by the fastest statement of the engine."""
    names = ", ".join(f'"{column}"' for column in columns)
    if isinstance(connection, sqlite3.Connection):
        places = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
        return
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def batches(rows: Iterable[Any], count: int) -> Iterator[list[Any]]:
    """Yield batches of a size."""
    left = iter(rows)
    while batch := list(islice(left, count)):
        yield batch


def _report(what: str, done: int, of: int) -> None:
    if on_terminal():
        show_count(f"loading {what}", done, of)


def analyze(connection: Connection) -> None:
    """Update the statistics of the planner, as in a database in use."""
    connection.execute("VACUUM ANALYZE" if isinstance(connection, psycopg.Connection) else "ANALYZE")
