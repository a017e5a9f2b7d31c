"""Reads all parts from one snapshot. Each part fails alone."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from kms_schema.database import lock_holders
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.database.messages import LOCKED, sqlstate_of
from kms_schema.monitoring.names import Part
from kms_schema.monitoring.parts import keys, rotating, server, trail
from kms_schema.monitoring.reader import Reader, described, errors
from kms_schema.monitoring.samples import PartResult, Read, Snapshot

PARTS: Mapping[Part, Callable[[Reader], Read]] = {
    Part.DATABASE: server.database,
    Part.KEYS: keys.keys,
    Part.EXPIRY: keys.expiry,
    Part.DUE: rotating.due,
    Part.ROTATIONS: rotating.rotations,
    Part.USAGE: keys.usage,
    Part.SEALING: trail.sealing,
    Part.LOG: trail.log,
    Part.RECORDS: trail.records,
    Part.SECURITY: trail.security,
    Part.ANOMALIES: trail.anomalies,
    Part.HSMS: keys.hsms,
    Part.STATEMENTS: server.statements,
}
"""The parts, in the order in which they are read."""


MOST_SECONDS = 8.0
"""After so many seconds the remaining parts fail: Prometheus waits 10 seconds for a scrape."""


def take_snapshot(
    connection: DatabaseConnection,
    schema: str = "public",
    *,
    names: bool = True,
    reused: Mapping[Part, PartResult] = MappingProxyType({}),
) -> Snapshot:
    """Return the state of the database from one read-only snapshot. Raises nothing for a database that fails.

    - `connection`: idle, of psycopg in autocommit mode or of `sqlite3`, with the privileges of kms_auditor
    - `schema`: the schema of the tables on PostgreSQL; not used on SQLite
    - `names`: False to leave out ids and names of keys. A metric of single keys then has one series for each type
    - `reused`: results of an earlier snapshot, whose parts are not read

    A part that fails has its reason in `error` and no samples. Times are Unix timestamps in seconds. Example::

        with psycopg.connect(url, autocommit=True) as connection:
            print(take_snapshot(connection).value("kms_audit_unsealed_entries"))
    """
    reader = Reader(connection, schema, names=names)
    results: list[PartResult] = []
    began = time.monotonic()
    try:
        with reader.transaction():
            for part in PARTS:
                late = time.monotonic() - began > MOST_SECONDS
                result = reused.get(part)
                results.append(result or (_late(part) if late else _result(reader, part)))
            at = reader.now
    except errors() as error:
        read = {each.part for each in results}
        failed = (PartResult(part, 0, error=described(error)) for part in PARTS if part not in read)
        return Snapshot(None, (*results, *failed))
    return Snapshot(at, tuple(results))


def read_part(connection: DatabaseConnection, schema: str, part: Part, statement_seconds: int) -> PartResult:
    """Return a part from a snapshot of its own, for `reused`; its statements may take longer than a scrape allows.

    - `connection`, `schema`: as for `take_snapshot`
    - `part`: the part to read
    - `statement_seconds`: after so many a statement is cancelled, on PostgreSQL

    Raises nothing for a database that fails: the part then has the reason in `error`. Example::

        read_part(connection, "public", Part.ANOMALIES, 60).error
    """
    reader = Reader(connection, schema, statement_seconds=statement_seconds)
    try:
        with reader.transaction():
            return _result(reader, part)
    except errors() as error:
        return PartResult(part, 0, error=described(error))


def nothing_read(reason: str) -> Snapshot:
    """Return the snapshot of a database without a connection: every part failed for this reason.

    assert nothing_read("connection refused").value("kms_collector_success", "keys") == 0
    """
    return Snapshot(None, tuple(PartResult(part, 0, error=reason) for part in PARTS))


def _result(reader: Reader, part: Part) -> PartResult:
    began = time.monotonic()
    try:
        with reader.alone():
            read = PARTS[part](reader)
    except errors() as error:
        return PartResult(part, time.monotonic() - began, error=described(error) + _lock_holder(reader, error))
    return PartResult(part, time.monotonic() - began, tuple(read.samples), read.omitted, read.skipped)


def _lock_holder(reader: Reader, error: Exception) -> str:
    """Return which session has the lock for which a part waited too long, if this role can read that."""
    if sqlstate_of(error) == LOCKED:
        with suppress(*errors()), reader.alone():
            holder = reader.cursor().execute(lock_holders.TABLES.encode()).fetchone()
            return f"; another session{lock_holders.described(holder)} has the lock"
    return ""


def _late(part: Part) -> PartResult:
    return PartResult(part, 0, error=f"not read: the parts before took more than {MOST_SECONDS:g} seconds")
