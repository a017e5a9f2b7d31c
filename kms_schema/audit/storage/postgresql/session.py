"""One transaction on the tables of a trail in PostgreSQL."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.storage.errors import TrailError, missing_table, not_a_table, write_discarded
from kms_schema.audit.storage.postgresql.encoded_entries import after_header
from kms_schema.audit.storage.records import LOWEST_NUMBERS
from kms_schema.audit.storage.session import Session
from kms_schema.database.query_plans import settings
from kms_schema.database.system_catalogs import FIRST_OF_USERS, numbers, replaced, rows
from kms_schema.text.identifiers import always_quoted

if TYPE_CHECKING:
    import psycopg

_CATALOGS = ("pg_attribute", "pg_class", "pg_inherits", "pg_rewrite")


class PostgresqlSession(Session):
    """The cursor of a transaction, and the quoted names of the tables in a schema."""

    place: ClassVar[str] = "%s"

    def __init__(self, cursor: "psycopg.Cursor[tuple[Any, ...]]", schema: str) -> None:
        """Take the cursor of a transaction that has begun."""
        super().__init__(always_quoted(schema), only="ONLY ")
        self.cursor = cursor
        self._copying: Generator[Bytes, None, None] | None = None

    def require_seals(self) -> None:
        """Raise `TrailError` if the database does not have the tables of seals."""
        self._require(*LOWEST_NUMBERS)

    def require_entries(self) -> None:
        """Raise `TrailError` if the database does not have the audit log."""
        self._require("key_audit_logs")

    def _require(self, *tables: str) -> None:
        """Require plain tables: a view could show this program other rows than everybody else.

        So could a table to which a superuser gave the rule of a view in the catalog, and a generated column. So could
        a type that is not the server's: entries are read as text, and its owner defines the cast. The catalogs that say
        so must be the server's.
        """
        found = self.rows(numbers(_CATALOGS))[0]
        if others := replaced(_CATALOGS, found):
            raise TrailError(f"pg_catalog.{others[0]} is not the server's own: it may say anything about the trail")
        self.rows(rows(_CATALOGS))
        kinds = self.cursor.execute(
            "SELECT to_regclass(name) IS NOT NULL, coalesce(relkind = 'r', false)"
            " AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = to_regclass(name) AND ev_type = '1')"
            " AND NOT EXISTS (SELECT FROM pg_attribute"
            " WHERE attrelid = to_regclass(name) AND attnum > 0 AND NOT attisdropped"
            f" AND (attgenerated <> '' OR atttypid >= '{FIRST_OF_USERS}'::oid))"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS tables (name, place)"
            " LEFT JOIN pg_class ON pg_class.oid = to_regclass(name) ORDER BY place",
            ([f"{self.schema}.{table}" for table in tables],),
        ).fetchall()
        for table, (exists, is_table) in zip(tables, kinds, strict=True):
            name = f"{self.schema}.{table}".replace('"', "")
            if not exists:
                raise missing_table(name)
            if not is_table:
                raise not_a_table(name)

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> int:
        return self.cursor.execute(query.encode(), values).rowcount

    def rows(self, query: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        return self.cursor.execute(query.encode(), values).fetchall()

    def insert_nodes(self, table: str, columns: str, rows: Sequence[tuple[int, int, bytes]]) -> None:
        if not rows:
            return
        # One statement: the triggers that add up the entries run once for all of them.
        written = self.execute(
            f"INSERT INTO {self.schema}.{table} ({columns})"
            " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])",
            tuple(list(column) for column in zip(*rows, strict=True)),
        )
        if written != len(rows):
            raise write_discarded(table)

    def if_integer(self, column: str) -> str:
        """Return nothing: the column has a type."""
        del column
        return ""

    @contextmanager
    def planned(self, without: Sequence[str]) -> Iterator[None]:
        """Plan the queries in the block without some plans; see `query_plans`."""
        self.cursor.execute(f"SAVEPOINT planned; {settings(without)}".encode(), prepare=False)
        yield
        self.cursor.execute("ROLLBACK TO SAVEPOINT planned; RELEASE SAVEPOINT planned", prepare=False)

    def copy(self, query: str) -> Iterator[Bytes]:
        """Yield the rows of a query as `COPY … TO STDOUT (FORMAT binary)` sends them, without the header."""
        self._copying = self._copy(query)
        return self._copying

    def stop_copy(self) -> None:
        """End a COPY that is not read to its end: the connection takes no other statement before, not even ROLLBACK."""
        if self._copying is not None:
            self._copying.close()

    @property
    def stores_any_bytes(self) -> bool:
        """True in a database of the encoding SQL_ASCII, whose texts may be no text of UTF-8."""
        return self.cursor.connection.info.parameter_status("server_encoding") == "SQL_ASCII"

    def _copy(self, query: str) -> Generator[Bytes, None, None]:
        if self.stores_any_bytes:  # as they are stored: the server refuses to send others than those of UTF-8
            self.cursor.execute("SET LOCAL client_encoding = 'SQL_ASCII'")
        with self.cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as stream:
            yield from after_header(stream)
        if self.stores_any_bytes:
            self.cursor.execute("SET LOCAL client_encoding = 'UTF8'")


@contextmanager
def complete_commit(connection: "psycopg.Connection[Any]") -> Iterator[Callable[[], None]]:
    """Give a function to call just before the commit of a seal: later warnings are about that commit.

    Raises `TrailError` if there are any. If the wait for a synchronous standby is cancelled, the transaction stays
    committed here and COMMIT succeeds: its checkpoint could be ahead of the standby that takes over.
    """
    warnings: list[str] = []

    def note(diagnostic: "psycopg.errors.Diagnostic") -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            warnings.append(str(diagnostic.message_primary))

    connection.add_notice_handler(note)
    try:
        yield warnings.clear
    finally:
        connection.remove_notice_handler(note)
    if warnings:
        raise TrailError(
            f"the seal is committed, but perhaps not on the standby ({warnings[0]}): when the standby has caught up,"
            " publish the output of kms-schema audit checkpoint"
        )
