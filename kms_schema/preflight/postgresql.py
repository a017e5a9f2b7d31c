"""What stands against an upgrade on PostgreSQL, and what it would hold up: the catalog and statistics, read only."""

import re
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from kms_schema.migrate.hardened import advice, is_hardened
from kms_schema.migrate.lock import HOLDER
from kms_schema.migrate.options import MigrationOptions
from kms_schema.preflight.locks import HOLDS_UP, MODES, Lock, locks_of, strongest
from kms_schema.preflight.plan import Plan
from kms_schema.preflight.verdict import Disk, Held, Work
from kms_schema.sql.operations import HASTY_MS, LOCK_ATTEMPTS

OLDEST, NEWEST = 13, 18
"""Major versions that this package is tested on."""

LONG_SECONDS = 5
"""How old a transaction is that is worth a word."""

BYTES_PER_SECOND = 100 * 2**20
ROWS_PER_SECOND = 500_000
"""What an ordinary server reads, and sorts into an index: for estimates, to tell moments from minutes."""

_ADDED = re.compile(r"ADD COLUMN (?:IF NOT EXISTS )?(\w+) (\w+(?:\(\d+\))?)")
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX .*? ON (?P<table>[\w.]+) \((?P<rest>.*)", re.DOTALL)
_CREATED = re.compile(
    r"CREATE (?:UNIQUE )?(?P<kind>TABLE|SEQUENCE|VIEW|MATERIALIZED VIEW|FUNCTION|INDEX) (?P<name>[\w.]+)", re.MULTILINE
)
_WAITED_FOR = MODES[MODES.index("SHARE") :]
_INDEX_ENTRY_BYTES = 16
_FILL = 1.2

_SIZES = sa.text("""
    SELECT n.nspname || '.' || c.relname AS relation, nullif(c.reltuples, -1)::bigint AS rows,
           pg_table_size(c.oid) AS bytes, pg_has_role(c.relowner, 'USAGE') AS owned
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY (:names)
    ORDER BY relation
""")
_EXISTING = sa.text("""
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY (:names)
    UNION SELECT n.nspname || '.' || p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname || '.' || p.proname = ANY (:names)
""")
_SERVER = sa.text("""
    SELECT current_setting('server_version') AS version,
           current_setting('server_version_num')::integer / 10000 AS major,
           pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::boolean AS read_only,
           to_regnamespace(:schema) IS NOT NULL AS schema_exists,
           CASE WHEN to_regnamespace(:schema) IS NULL
                THEN has_database_privilege(current_database(), 'CREATE')
                ELSE has_schema_privilege(:schema, 'CREATE') AND has_schema_privilege(:schema, 'USAGE')
           END AS may_create, has_language_privilege('plpgsql', 'USAGE') AS may_program,
           current_user AS role, current_database() AS database,
           (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory
""")
_VERSION_TABLE = sa.text("""
    SELECT bool_and(has_table_privilege(to_regclass(:table), needed))
    FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
""")
_TRANSACTIONS = sa.text("""
    SELECT pid::text AS who, usename AS role, state, date_trunc('second', now() - xact_start)::text AS age
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND xact_start < now() - make_interval(secs => :seconds)
    UNION ALL
    SELECT 'prepared ' || gid, owner, 'prepared', date_trunc('second', now() - prepared)::text
    FROM pg_prepared_xacts WHERE database = current_database()
    ORDER BY age DESC
""")


def problems(connection: sa.Connection, plan: Plan, options: MigrationOptions) -> Iterator[str]:
    """Yield what would stop the upgrade, each with what to do."""
    server = connection.execute(_SERVER, {"schema": options.schema}).one()
    if server.major < OLDEST:
        yield f"PostgreSQL {server.version} is too old: upgrade the server to {OLDEST} or later"
    if server.standby or server.read_only:
        yield "this server is a standby, or read-only for this role: migrate on the primary"
    if not server.may_create:
        place = f"SCHEMA {options.schema}" if server.schema_exists else f"DATABASE {server.database}"
        yield (
            f"role {server.role} may not create in {place.lower()}: GRANT CREATE ON {place} TO {server.role}, "
            "or migrate as its owner"
        )
    if plan.revisions and is_hardened(connection, options.schema):
        yield advice(options.schema)
    if not server.may_program:
        yield f"role {server.role} may not use plpgsql: GRANT USAGE ON LANGUAGE plpgsql TO {server.role}"
    table = f"{options.schema}.{options.version_table}"
    if connection.scalar(_VERSION_TABLE, {"table": table}) is False:
        yield f"role {server.role} may not read and write {table}: migrate as its owner"
    for relation in _existing(connection, plan).values():
        if not relation.owned:
            yield f"{relation.relation} belongs to another role: migrate as its owner, or as a member of that role"
    for name in connection.scalars(_EXISTING, {"names": list(_new_names(plan))}):
        yield f"{name} already exists, and is not from these migrations: rename it, or take another schema"
    if (holder := connection.execute(sa.text(HOLDER)).first()) is not None:
        yield f"another upgrade is running (server process {holder[0]}, role {holder[1]}): wait for it to end"


def notes(connection: sa.Connection, plan: Plan, options: MigrationOptions) -> Iterator[str]:
    """Yield what is worth knowing before the upgrade."""
    server = connection.execute(_SERVER, {"schema": options.schema}).one()
    if server.major > NEWEST:
        yield f"PostgreSQL {server.version} is newer than this package was tested on (up to {NEWEST})"
    if not server.schema_exists:
        yield f"schema {options.schema} is not there: it will be made"
    if any("CONCURRENTLY" in statement for statement in plan.statements):
        for transaction in connection.execute(_TRANSACTIONS, {"seconds": LONG_SECONDS}):
            yield (
                f"transaction {transaction.who} of {transaction.role} ({transaction.state}) has been open for "
                f"{transaction.age}: CONCURRENTLY waits for it to end, for up to {options.lock_wait:g} seconds"
            )
    existing = _existing(connection, plan)
    if any(lock.relation in existing and not lock.long and lock.mode in _WAITED_FOR for lock in _locks(plan)):
        yield (
            f"whoever waits a moment waits at most {HASTY_MS / 1000:g} s at a time; where a lock is not to be had "
            f"so for long, at most {options.lock_timeout_ms / 1000:g} s, and as long as deadlock_timeout more; then "
            f"everybody gets through, {LOCK_ATTEMPTS} times"
        )
    for statement in plan.statements:
        if statement.startswith("DROP INDEX CONCURRENTLY"):
            yield f"{statement.split()[-1]} was left INVALID by an interrupted build: it will be built anew"


def held(connection: sa.Connection, plan: Plan) -> Iterator[Held]:
    """Yield what each revision does to each relation that is there already, with the locks it takes."""
    existing = _existing(connection, plan)
    for revision in plan.revisions:
        locks = [lock for statement in revision.statements for lock in locks_of(statement) if lock.relation in existing]
        for relation, on_it in groupby(sorted(locks, key=lambda lock: lock.relation), key=lambda lock: lock.relation):
            size = existing[relation]
            works = tuple(_works(list(on_it), 2 * size.bytes / BYTES_PER_SECOND + (size.rows or 0) / ROWS_PER_SECOND))
            if works:  # a view that reads it holds up nobody
                yield Held(revision.revision, relation, size.rows, size.bytes, works)


def _works(locks: list[Lock], seconds_each: float) -> Iterator[Work]:
    """Yield what takes its time, which comes first, and then what takes a moment."""
    long = [lock for lock in locks if lock.long]
    if long:
        # The views are filled one after the other, like the indexes.
        works = tuple(dict.fromkeys(lock.work for lock in long))
        mode = strongest(long)
        yield Work(mode, HOLDS_UP[mode], works, len(works) * seconds_each)
    short = [lock for lock in locks if not lock.long and lock.mode in _WAITED_FOR]
    if short:
        mode = strongest(short)
        works = tuple(dict.fromkeys(lock.work for lock in short if lock.work))
        yield Work(mode, HOLDS_UP[mode], works, None)


def disk(connection: sa.Connection, plan: Plan) -> Disk:
    """Return the room that new indexes take by the planner's estimate, and what is free if the server is here."""
    existing = _existing(connection, plan)
    needed = 0
    added: dict[str, str] = {}
    for statement in plan.statements:
        if statement.startswith("ALTER TABLE"):
            added |= dict(_ADDED.findall(statement))
        match = _INDEX.match(statement)
        if match and match["table"] in existing:
            needed += _index_bytes(connection, match["table"], match["rest"], added)
    folder = connection.execute(_SERVER, {"schema": "public"}).one().data_directory
    return Disk(needed, _free_bytes(folder))


def _index_bytes(connection: sa.Connection, table: str, rest: str, added: dict[str, str]) -> int:
    """Return what an index takes; of a column that the plan has `added` its type is all that is known."""
    columns, _, predicate = rest.partition(") WHERE ")
    columns = columns if predicate else rest.rstrip().removesuffix(")")
    for column, kind in added.items():
        columns, predicate = (re.sub(rf"\b{column}\b", f"NULL::{kind}", part) for part in (columns, predicate))
    where = f"WHERE {predicate}" if predicate else ""
    query = f"EXPLAIN (FORMAT JSON) SELECT {columns} FROM {table} {where}"  # noqa: S608  (a statement of a revision)
    planned = connection.exec_driver_sql(query.replace("%", "%%")).scalar_one()[0]["Plan"]
    return int(planned["Plan Rows"] * (planned["Plan Width"] + _INDEX_ENTRY_BYTES) * _FILL)


def _free_bytes(data_directory: str | None) -> int | None:
    """Return what is free where the server keeps its data, if that is on this machine and may be seen."""
    if not data_directory:
        return None  # only a member of pg_read_all_settings may know
    try:
        # A folder of that name may be another server's; without its own files it is certainly none.
        return shutil.disk_usage(data_directory).free if (Path(data_directory) / "PG_VERSION").exists() else None
    except OSError:
        return None


def _existing(connection: sa.Connection, plan: Plan) -> dict[str, sa.Row[tuple[str, int | None, int, bool]]]:
    """Return the relations that the plan locks and does not make itself, by name."""
    names = {lock.relation for lock in _locks(plan)} - set(_new_names(plan))
    return {row.relation: row for row in connection.execute(_SIZES, {"names": sorted(names)})}


def _locks(plan: Plan) -> Iterator[Lock]:
    for statement in plan.statements:
        yield from locks_of(statement)


def _new_names(plan: Plan) -> Iterator[str]:
    for statement in plan.statements:
        match = _CREATED.search(statement)
        if match and "IF NOT EXISTS" not in statement and match["kind"] != "INDEX":
            yield match["name"]
