"""One state of a trail for several processes: each opens it with a connection of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from kms_schema.audit.storage.trail import Trail, TrailError

if TYPE_CHECKING:
    import psycopg


class State(Protocol):
    """What another process needs to open the state; it can be pickled."""

    def opened(self) -> Any:
        """Open it, as a context manager that gives a `Trail`."""
        ...


@dataclass(frozen=True)
class PostgresqlState:
    """A snapshot that a transaction has exported; it can be opened while that transaction lasts."""

    conninfo: str = field(repr=False)  # it has the password
    schema: str
    snapshot: str

    @classmethod
    def exported(cls, connection: "psycopg.Connection[Any]", schema: str, snapshot: str) -> "PostgresqlState":
        """Take the server, database and role of a connection, and its password."""
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415  (whoever has a connection has it)

        info = connection.info
        conninfo = make_conninfo(info.dsn, password=info.password) if info.password else info.dsn
        return cls(conninfo, schema, snapshot)

    @contextmanager
    def opened(self) -> Iterator[Trail]:
        """Open the same snapshot, read only."""
        import psycopg  # noqa: PLC0415

        from kms_schema.audit.storage.postgresql_transactions import OpenPostgresqlTrail  # noqa: PLC0415

        with (
            closing(psycopg.connect(self.conninfo, autocommit=True)) as connection,
            OpenPostgresqlTrail(connection, self.schema).reading_exported(self.snapshot) as trail,
        ):
            yield trail


@dataclass(frozen=True)
class SqliteState:
    """A file; whether all processes see the same of it is for whoever starts them to find out, by `SqliteWatch`."""

    path: str

    @contextmanager
    def opened(self) -> Iterator[Trail]:
        """Open what the file holds now, read only."""
        from kms_schema.audit.storage.sqlite_trail import OpenSqliteTrail  # noqa: PLC0415

        with closing(_read_only(self.path)) as connection, OpenSqliteTrail(connection).reading() as trail:
            yield trail


class SqliteWatch:
    """Tells whether anybody has committed to a file between two moments, which readers alone cannot see."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Watch the main database of a connection. Raises `TrailError` where it is in no file."""
        self.path = next(row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
        if not self.path:
            raise TrailError("a database in memory can be read by one process only: leave the number of jobs out")
        self._connection = _read_only(self.path)

    def version(self) -> int:
        """Return a number that is another one after each commit by anybody."""
        ((version,),) = self._connection.execute("PRAGMA main.data_version")
        return int(version)

    def close(self) -> None:
        """Watch no longer."""
        self._connection.close()


def _read_only(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=5, isolation_level=None)
