"""Read the objects of the schema from PostgreSQL's catalog, in one snapshot and seven statements.

It needs no privilege but CONNECT: every role may read `pg_catalog`, where everything is but the rows of
`alembic_version`. The transaction is READ ONLY, so a hot standby is enough. The `search_path` is `pg_catalog`: the
server renders every other name with its schema, and no object can shadow one of the catalog.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.database.query_plans import SCAN, settings
from kms_schema.hardening.definition import event_triggers, hardening_schema
from kms_schema.text.identifiers import always_quoted
from kms_schema.validator.catalog import builtins, name_resolution
from kms_schema.validator.catalog.attributes import (
    STAMPS,
    Attributes,
    Names,
    Objects,
    Revisions,
    UnreadableError,
    ValidationError,
    in_order,
    without_defaults,
)
from kms_schema.validator.catalog.audit_sequence import with_sequence
from kms_schema.validator.catalog.grants import grants
from kms_schema.validator.catalog.loaders import register
from kms_schema.validator.catalog.normalized_expressions import normalized
from kms_schema.validator.catalog.query_texts import object_query, posture_query, sql
from kms_schema.validator.checks.posture import Observed

FIRST_WITH_PARAMETER_PRIVILEGES = 150000
# Attributes that the server renders from a parsed expression, and that are normalized.
_EXPRESSIONS = frozenset({"definition", "default", "generated", "using", "check", "partition_bound"})
# A role or a database may have changed these settings, with which the server renders constants. If pg_temp is not
# named, it comes before pg_catalog. Rendering waits for an ACCESS EXCLUSIVE lock: give up rather than wait for a long
# ALTER TABLE. JIT is off because it costs more than these statements, whose cost the planner overestimates.
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS = """SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s';
SET LOCAL lock_timeout = '5s'; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on; SET LOCAL quote_all_identifiers = off; SET LOCAL bytea_output = hex;
SET LOCAL "DateStyle" = 'ISO, MDY'; SET LOCAL "IntervalStyle" = postgres; SET LOCAL "TimeZone" = 'UTC';
SET LOCAL extra_float_digits = 1; SET LOCAL client_min_messages = error; SET LOCAL jit = off"""
_FIRST_WITH_TRANSACTION_TIMEOUT = 170000
# Errors of objects that were dropped or altered during the read: the server renders the current state, not that of the
# snapshot. 40001 is a standby that removed a row of the snapshot.
_MOVED = frozenset({"XX000", "42P01", "42703", "42704", "40001"})
_CHILD = "child table"
_Address = tuple[int, int, int]


class PostgresqlReader:
    """One snapshot of one database, open for reading; made by `reading`."""

    engine = "postgresql"

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]], schema: str, misleading: Sequence[Observed]) -> None:
        """Find the schema; raises `ValidationError` if it does not exist. `misleading`: see `name_resolution`."""
        self._cursor = cursor
        self._misleading = misleading
        self.schema = schema
        self.identifier: str
        self._ours: list[int] = []
        cursor.execute(sql("database"), {"schema": schema})
        [(self._version, self._schema_oid, self.identifier)] = cursor.fetchall()
        if self._schema_oid is None:
            raise ValidationError(
                f"there is no schema {schema!r} in this database; name another with --schema", reason="no_schema"
            )
        self.version: str = f"{self._version // 10000}.{self._version % 10000}"

    @property
    def database(self) -> str:
        """The name of the database and its server, without the role."""
        info = self._cursor.connection.info
        port = "" if info.host.startswith("/") else f":{info.port}"
        return f"{info.dbname} at {info.host}{port}"

    def of_schema(self, schema: str) -> "PostgresqlReader":
        """Return a reader of another schema in the same snapshot; raises `ValidationError` if it does not exist."""
        return PostgresqlReader(self._cursor, schema, self._misleading)

    def revisions(self, schema: str, table: str) -> Revisions:
        """Return the content of Alembic's table, or the reason why it was not read.

        No code of the table's owner runs with the privileges of the validating role: no policy, view, child table,
        generated column or cast.
        """
        self._cursor.execute(sql("version_table"), {"schema": schema, "table": table})
        row = self._cursor.fetchone()
        if row is None:
            return Revisions(stamped=(), table_exists=False)
        stampable, obstacle = row
        if not stampable:
            return Revisions(stamped=(), table_exists=True)
        if obstacle:
            return Revisions(stamped=None, table_exists=True, reason=obstacle.replace("{table}", table))
        place = ".".join(always_quoted(name) for name in (schema, table))
        query = f"SELECT left(coalesce(version_num::text, 'NULL'), 255) FROM ONLY {place} ORDER BY 1 LIMIT {STAMPS}"
        self._cursor.execute(query.encode())
        return Revisions(stamped=tuple(row[0] for row in self._cursor), table_exists=True)

    def migration(self) -> str | None:
        """Return the process that currently migrates this database, if there is one."""
        key = {"high": LOCK_KEY >> 32, "low": LOCK_KEY & 0xFFFF_FFFF, "schema": self._schema_oid}
        row = self._cursor.execute(sql("migration"), key).fetchone()
        return None if row is None else f"process {row[0]}"

    def objects(self, names: Names | None) -> Objects:
        """Return the objects called `names` with all that is attached to them; None means everything in the
        schema.
        """
        parameters = {
            "schema": self.schema,
            "relations": list(names.relations) if names else None,
            "functions": list(names.functions) if names else None,
            "sequences": list(names.sequences) if names else None,
        }
        self._cursor.execute(object_query(), parameters)
        found: dict[_Address, tuple[str, Attributes]] = {}
        rows = sorted(self._cursor, key=lambda row: row[0] != _CHILD)  # one in the schema is a table like the others
        for kind, name, class_oid, object_oid, part, attributes in rows:
            found[class_oid, object_oid, part] = (f"{kind} {name}", _finish(attributes))
        self._add_needs(found)
        self._ours = sorted({address[1] for address in found})
        return in_order(found.values())

    def rows(
        self, query: str, *, by_scan: bool = False, without: Sequence[str] = (), costly: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query, without a time limit; raises `UnreadableError`.

        The server refuses the query if row-level security would hide rows. It does not conclude from a constraint that
        no row violates it. With `by_scan` it uses no index, and no plan of `without`; the cost `costly` is high.
        """
        self._cursor.execute(
            "SAVEPOINT rows; SET LOCAL statement_timeout = 0; SET LOCAL row_security = off;"
            " SET LOCAL constraint_exclusion = off",
            prepare=False,
        )
        if by_scan or without:
            self._cursor.execute(settings((*(SCAN if by_scan else ()), *without)).encode(), prepare=False)
        if costly:
            self._cursor.execute(f"SET LOCAL {costly} = 1e9".encode())
        try:
            self._cursor.execute(query.encode())
            return self._cursor.fetchall()
        except psycopg.Error as error:
            if self._cursor.connection.broken:
                raise
            raise UnreadableError(str(error).strip().splitlines()[0], error.sqlstate) from None
        finally:
            if not self._cursor.connection.broken:
                self._cursor.execute("ROLLBACK TO SAVEPOINT rows")

    def posture(self, owner: str) -> list[Observed]:
        """Return the ways past the protections of the objects that were read, which belong to `owner`, and the catalog
        attributes of the event triggers, for `hardening_findings`.
        """
        parameters = {
            "owner": owner,
            "schema": self.schema,
            "ours": self._ours,
            "event_triggers": [each.name for each in event_triggers(self.schema)],
            "hardening": hardening_schema(self.schema),
            "builtins": builtins.keys(),
        }
        query = posture_query(with_parameters=self._version >= FIRST_WITH_PARAMETER_PRIVILEGES)
        self._cursor.execute(query, parameters)
        rows = [*builtins.without_usual(self._cursor, self._version // 10000), *self._misleading]
        return sorted(with_sequence(self._cursor, rows), key=lambda row: row[:3])

    def unmanaged_objects(self, names: Names) -> list[str]:
        """Return the keys of the unmanaged objects in the schema, without objects of extensions."""
        if not self._ours:
            self.objects(names)
        self._cursor.execute(sql("unmanaged_object"), {"schema": self._schema_oid, "ours": self._ours})
        return sorted(row[0] for row in self._cursor)

    def views_of_host(self) -> list[tuple[str, str | None, str]]:
        """Return the views of others that read our relations: relation, column or None, and view."""
        return self._cursor.execute(sql("views_of_host"), {"ours": self._ours}).fetchall()

    def _add_needs(self, found: dict[_Address, tuple[str, Attributes]]) -> None:
        self._cursor.execute(sql("dependency"), {"objects": sorted({address[1] for address in found})})
        needs: dict[_Address, set[str]] = {
            address: {key for key in (_table_key(found, address),) if key} for address in found
        }
        for row in self._cursor:
            dependent, needed = found.get(row[:3]), found.get(row[3:]) or found.get((*row[3:5], 0))
            if dependent and needed and dependent is not needed:
                needs[row[:3]].add(needed[0])
        for address, (_, attributes) in found.items():
            if needs[address]:
                attributes["needs"] = sorted(needs[address])


@contextmanager
def reading(connection: psycopg.Connection[Any], schema: str) -> Iterator[PostgresqlReader]:
    """Open one READ ONLY, REPEATABLE READ snapshot on an idle connection, and leave the connection as it was.

    Raises `ValidationError` for a connection in a transaction, whose settings must not change, and
    `ValidationError` (`changed_meanwhile`) if an object was dropped or altered while its definition was read.
    """
    # A closed connection is UNKNOWN: psycopg raises its own error.
    if connection.info.transaction_status not in {TransactionStatus.IDLE, TransactionStatus.UNKNOWN}:
        raise ValidationError(
            "the connection is in a transaction; pass an idle one: the validator opens its own snapshot"
        )
    with rolled_back(connection, _begin(connection.info)) as cursor:
        misleading: list[Observed] = []
        try:
            misleading.extend(name_resolution.read(cursor, sql("name_resolution"), schema))
            yield PostgresqlReader(cursor, schema, misleading)
        except psycopg.Error as error:
            first = str(error).strip().partition("\n")[0]
            if cause := name_resolution.cause(misleading, error.sqlstate, error.diag.message_primary or ""):
                raise ValidationError(f"{first}: {cause}") from error
            if error.sqlstate in _MOVED and not connection.closed:
                raise ValidationError(first, reason="changed_meanwhile") from error
            raise


def _begin(info: psycopg.ConnectionInfo) -> str:
    """Return the statements that open the snapshot; names are UTF-8, or bytes if the database is SQL_ASCII."""
    encoding = "SQL_ASCII" if info.parameter_status("server_encoding") == "SQL_ASCII" else "UTF8"
    begin = _BEGIN
    if info.server_version >= _FIRST_WITH_TRANSACTION_TIMEOUT:
        begin += "; SET LOCAL transaction_timeout = 0"  # first, since its time has begun
    return f"{begin}; {_SETTINGS}; SET LOCAL client_encoding = '{encoding}'"


@contextmanager
def rolled_back(connection: psycopg.Connection[Any], begin: str) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    """Run `begin` on an idle connection, always roll back, and restore the state of the connection."""
    autocommit = connection.autocommit
    connection.autocommit = True
    try:
        # The application may have set a cursor class of its own.
        with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
            register(cursor)
            try:
                cursor.execute(begin.encode(), prepare=False)
                yield cursor
            finally:
                if not connection.closed:
                    cursor.execute("ROLLBACK")
    finally:
        if not connection.closed:
            connection.autocommit = autocommit


def _finish(attributes: Attributes) -> Attributes:
    acl, default = attributes.pop("acl", None), attributes.pop("acl_default", None)
    attributes["grants"] = grants(acl, default, attributes.pop("column_acl", None))
    for name in _EXPRESSIONS & attributes.keys():
        if isinstance(attributes[name], str):
            attributes[name] = normalized(attributes[name])
    if "checks" in attributes:
        attributes["checks"] = [normalized(check) for check in attributes["checks"] or ()] or None
    return without_defaults(attributes)


def _table_key(found: dict[_Address, tuple[str, Attributes]], address: _Address) -> str | None:
    """Return the key of the table that a column is attached to: the catalog numbers columns under their table."""
    return found[address[0], address[1], 0][0] if address[2] else None
