"""Conditions of an upgrade on PostgreSQL, read from the catalog: problems, waiting clients, and disk space."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from kms_schema.database.lock_holders import UPGRADE, described
from kms_schema.migrate.conditions import (
    SERVER,
    distributed_tables,
    existing,
    hardened_hint,
    is_hardened,
    objects_in_the_way,
    privileges_missing,
)
from kms_schema.migrate.options import MigrationOptions
from kms_schema.preflight.plan import Plan
from kms_schema.preflight.verdict import Disk, Held, Work
from kms_schema.sql import fill, query_beside
from kms_schema.sql.declarations import MODES, IndexBuild, Lock
from kms_schema.sql.operations import LOCK_ATTEMPTS, SHORT_LOCK_TIMEOUT_MS

WAITING = {
    "ACCESS SHARE": "no session waits",
    "ROW SHARE": "no session waits",
    "ROW EXCLUSIVE": "no session waits",
    "SHARE UPDATE EXCLUSIVE": "only VACUUM and other DDL wait",
    "SHARE": "writers wait",
    "SHARE ROW EXCLUSIVE": "writers wait",
    "EXCLUSIVE": "writers wait",
    "ACCESS EXCLUSIVE": "readers and writers wait",
}
"""The statements that wait for a lock of each mode (https://www.postgresql.org/docs/current/explicit-locking.html)."""

BLOCKING = MODES[MODES.index("SHARE") :]
"""The modes for which writers wait."""


def strongest(locks: Iterable[Lock]) -> str:
    """Return the strongest mode among locks; raise `ValueError` without any."""
    return max((lock.mode for lock in locks), key=MODES.index)


NEWEST = 18
"""The newest major version that this package is tested on."""

LONG_SECONDS = 5
"""The age, in seconds, from which an open transaction is reported."""

BYTES_PER_SECOND = 100 * 2**20
ROWS_PER_SECOND = 500_000
"""Rough throughput of a server that reads a table and sorts rows into an index, for estimates of the duration."""

_INDEX_ENTRY_BYTES = 16
_FILL = 1.2


_TRANSACTIONS = sa.text(query_beside(__file__, "old_transactions"))
_COLUMNS = sa.text(query_beside(__file__, "table_columns"))
_EXPLAIN_INDEX = query_beside(__file__, "explain_index")


def problems(connection: sa.Connection, plan: Plan, options: MigrationOptions) -> Iterator[str]:
    """Yield each condition that would stop the upgrade, with the advice.

    `connection` has a read-only transaction; `plan` and `options` are those of the upgrade.
    """
    yield from privileges_missing(connection, options.schema, options.version_table)
    if plan.revisions and is_hardened(connection, options.schema):
        yield hardened_hint(options.schema)
    yield from objects_in_the_way(connection, list(plan.declarations))
    if (distributed := distributed_tables(connection, options.schema)) is not None:
        yield distributed
    if (holder := connection.execute(sa.text(UPGRADE)).first()) is not None:
        yield f"another session{described(holder)} holds the lock of upgrades: wait for it to end"


def notes(connection: sa.Connection, plan: Plan, options: MigrationOptions) -> Iterator[str]:
    """Yield conditions that do not stop the upgrade. `problems` explains the arguments."""
    server = connection.execute(SERVER, {"schema": options.schema}).one()
    if server.major > NEWEST:
        yield f"PostgreSQL {server.version} is newer than this package was tested on (up to {NEWEST})"
    if not server.schema_exists:
        yield f"schema {options.schema} does not exist: the upgrade creates it"
    if any(each.waits_for_transactions for each in plan.declarations):
        for transaction in connection.execute(_TRANSACTIONS, {"seconds": LONG_SECONDS}):
            yield (
                f"transaction {transaction.who} of {transaction.role} ({transaction.state}) has been open for "
                f"{transaction.age}: CONCURRENTLY waits for it to end, for up to {options.lock_wait:g} seconds"
            )
    present = existing(connection, list(plan.declarations))
    if any(lock.relation in present and not lock.long and lock.mode in BLOCKING for lock in plan.locks):
        yield (
            f"clients wait for a short lock at most {SHORT_LOCK_TIMEOUT_MS / 1000:g} s at a time, or, failing "
            f"that, {options.lock_timeout_ms / 1000:g} s and deadlock_timeout, up to {LOCK_ATTEMPTS} times, and "
            "continue in between"
        )
    for each in plan.declarations:
        if each.rebuilds:
            yield f"{each.rebuilds} was left INVALID by an interrupted build: it will be built again"


def held(connection: sa.Connection, plan: Plan) -> Iterator[Held]:
    """Yield the statements of each revision on relations that exist already, with their locks.

    The estimates are from the server's statistics.
    """
    present = existing(connection, list(plan.declarations))
    for revision in plan.revisions:
        locks = [lock for lock in revision.locks if lock.relation in present]
        for relation, on_it in groupby(sorted(locks, key=lambda lock: lock.relation), key=lambda lock: lock.relation):
            size = present[relation]
            works = tuple(_works(list(on_it), 2 * size.bytes / BYTES_PER_SECOND + (size.rows or 0) / ROWS_PER_SECOND))
            if works:  # no session waits for a view that reads it
                yield Held(revision.revision, relation, size.rows, size.bytes, works)


def _works(locks: list[Lock], seconds_each: float) -> Iterator[Work]:
    """Yield the long work, which comes first, and then the short."""
    long = [lock for lock in locks if lock.long]
    if long:
        # The views are filled one after the other, like the indexes.
        works = tuple(dict.fromkeys(lock.work for lock in long))
        mode = strongest(long)
        yield Work(mode, WAITING[mode], works, len(works) * seconds_each)
    short = [lock for lock in locks if not lock.long and lock.mode in BLOCKING]
    if short:
        mode = strongest(short)
        works = tuple(dict.fromkeys(lock.work for lock in short if lock.work))
        yield Work(mode, WAITING[mode], works, None)


def disk(connection: sa.Connection, plan: Plan) -> Disk:
    """Return the bytes that new indexes take by the planner's estimate, and the free space if the server is local."""
    present = existing(connection, list(plan.declarations))
    added: dict[str, str] = {}
    needed = 0
    for each in plan.declarations:
        added |= each.columns
        if each.index is not None and each.index.table in present:
            needed += _index_bytes(connection, each.index, added)
    folder = connection.execute(SERVER, {"schema": "public"}).one().data_directory
    return Disk(needed, _free_bytes(folder))


def _index_bytes(connection: sa.Connection, index: IndexBuild, added: Mapping[str, str]) -> int:
    """Return the size of an index in bytes; of a column that the plan has `added` only the type is known."""
    present = set(connection.scalars(_COLUMNS, {"table": index.table}))
    query = fill(
        _EXPLAIN_INDEX,
        columns=", ".join(index.columns),
        table=index.table,
        added="".join(f", NULL::{kind} AS {column}" for column, kind in added.items() if column not in present),
        where=f"WHERE {index.where}" if index.where else "",
    )
    planned = connection.exec_driver_sql(query.replace("%", "%%")).scalar_one()[0]["Plan"]
    return int(planned["Plan Rows"] * (planned["Plan Width"] + _INDEX_ENTRY_BYTES) * _FILL)


def _free_bytes(data_directory: str | None) -> int | None:
    """Return the free bytes of the server's data directory, if it is on this machine and readable."""
    if not data_directory:
        return None  # only members of pg_read_all_settings can read it
    try:
        # Without this file the directory of that name is not that server's.
        return shutil.disk_usage(data_directory).free if (Path(data_directory) / "PG_VERSION").exists() else None
    except OSError:
        return None
