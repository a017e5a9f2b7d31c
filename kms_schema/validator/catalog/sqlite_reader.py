"""Read the objects of the schema from SQLite's catalog, in one read transaction.

SQLite stores the text of every CREATE statement. The text of a table is parsed (`sqlite_ddl`), so that a changed CHECK
is a difference of that constraint. Triggers, views and indexes are compared as text with normalized white space.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from kms_schema.text.identifiers import always_quoted
from kms_schema.validator.catalog.attributes import (
    DATA_CORRUPTED,
    STAMPS,
    Attributes,
    Names,
    Objects,
    Revisions,
    UnreadableError,
    ValidationError,
    attached,
    in_order,
    kind_and_name,
    without_defaults,
)
from kms_schema.validator.catalog.sqlite_ddl import folded, one_spaced, split_table, words_of
from kms_schema.validator.catalog.sqlite_rows import CatalogRow, rows_in
from kms_schema.validator.checks.posture import Observed

_NUMBERS = count()
_RELATIONS = frozenset({"table", "view"})
_ATTACHED = frozenset({"index", "trigger"})
_GENERATED = {2: "VIRTUAL", 3: "STORED"}


class SqliteReader:
    """One snapshot of one database file, open for reading; made by `reading`."""

    engine = "sqlite"
    version: str = sqlite3.sqlite_version
    schema = "main"
    identifier = "main"

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        """Read the whole of `sqlite_schema`, which starts the snapshot."""
        self._cursor = cursor
        self._rows = rows_in(cursor, "main")
        self._temporary_rows = rows_in(cursor, "temp")
        self._schema = sorted(
            ((row.kind, row.name, row.table, row.sql) for row in self._rows if not _is_own(row)),
            key=lambda row: row[:2],
        )
        self._ours: Mapping[str, str] = {}
        self._columns_found: dict[str, dict[str, Attributes]] = {}

    @property
    def database(self) -> str:
        """The path of the file."""
        files = {name: file for _, name, file in self._cursor.execute("PRAGMA database_list").fetchall()}
        return files["main"] or "in memory"

    def of_schema(self, _schema: str) -> "SqliteReader":
        """Return this reader: SQLite has one schema."""
        return self

    def revisions(self, _schema: str, table: str) -> Revisions:
        """Return the content of Alembic's table; SQLite has one schema."""
        if not any(kind == "table" and name == table for kind, name, _, _ in self._schema):
            return Revisions(stamped=(), table_exists=False)
        column = self._columns(table).get("version_num")
        if column is None:
            return Revisions(stamped=(), table_exists=True)
        if "generated" in column or self._is_virtual(table):  # reading it would run code of the file
            reason = f"version_num of {table} is computed, not stored"
            return Revisions(stamped=None, table_exists=True, reason=reason)
        version = "substr(coalesce(version_num, 'NULL'), 1, 255)"
        rows = self._cursor.execute(f'SELECT {version} FROM main."{table}" ORDER BY 1 LIMIT {STAMPS}')
        return Revisions(stamped=tuple(str(row[0]) for row in rows), table_exists=True)

    def migration(self) -> str | None:
        """Return None: a migration of SQLite is one transaction, which a snapshot has completely or not at all."""
        return None

    def objects(self, names: Names | None) -> Objects:
        """Return the objects called `names` with all that is attached to them; None means everything."""
        ours = self._ours = {
            folded(name): f"{kind} {name}"
            for kind, name, _, _ in self._schema
            if kind in _RELATIONS and (names is None or folded(name) in names.relations)
        }
        found: list[tuple[str, Attributes]] = []
        for kind, name, table, sql in self._schema:
            # The table of a trigger has the case of its CREATE statement.
            relation = ours.get(folded(table))
            if relation is None or sql is None:
                continue
            if kind == "table":
                found += self._table(name, sql)
            elif kind == "view":
                found.append((relation, {"definition": _without_name(sql, name)}))
            elif kind in _ATTACHED:
                found.append(_attached(kind, name, relation, sql))
        return in_order([*self._with_needs(found), *self._temporary(ours)])

    def _temporary(self, ours: Mapping[str, str]) -> Iterator[tuple[str, Attributes]]:
        """Yield the temporary objects of this connection: triggers on the tables, and objects that hide a table."""
        for row in sorted(self._temporary_rows, key=lambda row: row.name):
            definition = one_spaced(row.sql or "")
            if row.kind == "trigger" and folded(row.table) in ours and folded(row.schema) in {"", "main"}:
                of = ours[folded(row.table)].partition(" ")[2]
                yield f"trigger {of}.temp.{row.name}", {"table": of, "temporary": True, "definition": definition}
            elif folded(row.name) in ours and row.kind in _RELATIONS:
                yield f"{row.kind} temp.{row.name}", {"temporary": True, "definition": definition}

    def rows(
        self, query: str, *, by_scan: bool = False, without: Sequence[str] = (), costly: str | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query, with `by_scan` without any index; raises `UnreadableError`.

        `without` and `costly` are settings of PostgreSQL.
        """
        del without, costly
        if by_scan:
            query = query.replace(" AS t ", " AS t NOT INDEXED ")
        try:
            return self._cursor.execute(query).fetchall()
        except sqlite3.Error as error:
            damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT
            raise UnreadableError(str(error), DATA_CORRUPTED if damaged else None) from None

    def posture(self, owner: str) -> list[Observed]:
        """Return an encoding of the file that is not UTF-8, and faults of the catalog. SQLite has no roles."""
        del owner
        ((encoding,),) = self._cursor.execute("PRAGMA main.encoding").fetchall()
        other = [("KMS447", "database main", str(encoding), None)] if encoding != "UTF-8" else []
        return [*other, *self.odd_rows()]

    def odd_rows(self) -> Iterator[Observed]:
        """Yield the rows of the catalog that SQLite would not have written, and objects of tables that have no row."""
        for row in (*self._rows, *self._temporary_rows):
            if row.faults:
                yield "KMS146", row.place, f"{row.kind} {row.name}: {'; '.join(row.faults)}", row.fix
        known = {(row.kind, folded(row.name), folded(row.table)) for row in (*self._rows, *self._temporary_rows)}
        for relation in self._ours.values():
            try:
                obeyed = list(self._obeyed_on(relation))
            except sqlite3.Error as error:  # an authorizer of the application may refuse to compile it
                yield "KMS901", relation, f"unknown: its triggers could not be asked for: {error}", None
                continue
            for kind, name in obeyed:
                if (kind, folded(name), folded(kind_and_name(relation)[1])) not in known:
                    yield "KMS147", relation, f"{kind} {name}", None

    def _obeyed_on(self, relation: str) -> Iterator[tuple[str, str]]:
        """Yield the indexes and triggers that the library has for a table or view, temporary ones included.

        It names the triggers in the program that would drop the table; EXPLAIN does not run it.
        """
        kind, name = kind_and_name(relation)
        if kind == "table" and self._is_virtual(name):
            return
        # The primary key of a table WITHOUT ROWID is the table itself: its index has no row.
        without_rowid = kind == "table" and {"without", "rowid"} <= words_of(split_table(self._text(name)).options)
        for _, index, _, origin, _ in self._cursor.execute(f"PRAGMA main.index_list({always_quoted(name)})").fetchall():
            if origin != "pk" or not without_rowid:
                yield "index", index
        # The text is another one each time: Python would use its compiled statement again, with the triggers of then.
        program = self._cursor.execute(f"EXPLAIN DROP {kind} main.{always_quoted(name)} -- {next(_NUMBERS)}")
        yield from [("trigger", p4) for _, opcode, _, _, _, p4, *_ in program if opcode == "DropTrigger"]

    def unmanaged_objects(self, names: Names) -> list[str]:
        """Return the keys of the unmanaged objects in the database."""
        return [
            f"{kind} {name}"
            for kind, name, table, _ in self._schema
            if not {folded(name), folded(table)} & set(names.relations)
        ]

    def views_of_host(self) -> list[tuple[str, str | None, str]]:
        """Return none: SQLite drops what a view reads."""
        return []

    def _table(self, table: str, sql: str) -> Iterator[tuple[str, Attributes]]:
        text = split_table(sql)
        columns = self._columns(table)
        yield f"table {table}", without_defaults({"columns": list(columns), "options": text.options or None})
        for column, attributes in columns.items():
            definition = text.columns.get(column)
            yield (
                f"column {attached(table, column)}",
                without_defaults({"table": table, **attributes, "definition": definition}),
            )
        for name, definition in text.constraints.items():
            yield f"constraint {attached(table, name)}", {"table": table, "definition": definition}

    def _with_needs(self, found: list[tuple[str, Attributes]]) -> Iterator[tuple[str, Attributes]]:
        """Add the needs of each object: its table, the tables and views that it reads, and their columns."""
        relations = {kind_and_name(key)[1]: key for key, attributes in found if "table" not in attributes}
        for key, attributes in found:
            table = attributes.get("table")
            needs = {relations[table]} if table else set()
            if not key.startswith(("table ", "column ")):
                words = words_of(attributes.get("definition") or "")
                named = relations.keys() & words
                needs |= {relations[name] for name in named}
                for relation in named | ({table} if table else set()):
                    needs |= {f"column {attached(relation, name)}" for name in self._columns(relation).keys() & words}
            yield key, {**attributes, "needs": sorted(needs - {key})} if needs - {key} else attributes

    def _columns(self, table: str) -> dict[str, Attributes]:
        """Return the columns of a table of main. The text of a view has its columns.

        It is a statement for each table. A table or view named pragma_table_xinfo would hide the function, and one
        query for all tables would load the modules of a host's virtual tables.
        """
        if table not in self._columns_found:
            is_table = any(kind == "table" and name == table for kind, name, _, _ in self._schema)
            rows = self._cursor.execute(f"PRAGMA main.table_xinfo({always_quoted(table)})") if is_table else ()
            self._columns_found[table] = {name: _column(*attributes) for _, name, *attributes in rows}
        return self._columns_found[table]

    def _is_virtual(self, table: str) -> bool:
        return re.match(r"CREATE\s+VIRTUAL\b", self._text(table), re.IGNORECASE) is not None

    def _text(self, table: str) -> str:
        return next(sql or "" for kind, name, _, sql in self._schema if kind == "table" and name == table)


@contextmanager
def reading(connection: sqlite3.Connection, schema: str = "main") -> Iterator[SqliteReader]:
    """Open one read transaction on an idle connection; raises `ValidationError` for one in a transaction."""
    del schema  # SQLite has one: main
    if connection.in_transaction:
        raise ValidationError(
            "the connection is in a transaction; pass an idle one: the validator opens its own snapshot"
        )
    before = connection.text_factory
    # Names may not be UTF-8, and an application may read text as bytes.
    connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
    try:
        cursor = sqlite3.Cursor(connection)
        cursor.row_factory = None
        cursor.execute("BEGIN")
        yield SqliteReader(cursor)
    finally:
        connection.text_factory = before
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _is_own(row: CatalogRow) -> bool:
    """Return whether a row is of a table that SQLite creates for itself."""
    return row.kind == "table" and folded(row.name).startswith("sqlite_")


def _column(kind: str, not_null: int, default: str | None, key_position: int, hidden: int) -> Attributes:
    return without_defaults(
        {
            "type": kind,
            "nullable": not not_null,
            "default": default,
            "primary_key": key_position or None,
            "generated": _GENERATED.get(hidden),
        }
    )


def _attached(kind: str, name: str, relation: str, sql: str) -> tuple[str, Attributes]:
    table = relation.partition(" ")[2]
    key = f"index {name}" if kind == "index" else f"{kind} {attached(table, name)}"
    return key, {"table": table, "definition": _without_name(sql, name)}


def _without_name(sql: Any, name: str) -> str:
    """Return the definition with `{name}` for its own name, so that a renamed object has the same definition."""
    quoted = rf"""(?:"{re.escape(name)}"|`{re.escape(name)}`|\[{re.escape(name)}\]|\b{re.escape(name)}\b)"""
    return re.sub(quoted, lambda _: "{name}", one_spaced(str(sql)), count=1)
