"""The state of a database, as far as an interrupted migration may have left it half done."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from support.catalog import Catalog, catalog, differences
from support.engines import Database
from support.engines.database import Connection
from support.statements import dialect_of, execute

VERSION_TABLE = "alembic_version"

TABLES = {
    "postgresql": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace",
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table'",
}


@dataclass(frozen=True)
class State:
    """What a database holds."""

    revision: str
    """What the version table says; `base` if nothing."""
    objects: Catalog
    rows: dict[str, int]
    """How many there are in each table."""

    def differences(self, other: "State", *, but_for: str | None = None) -> dict[str, object]:
        """Return what is not the same in another state; objects whose names hold `but_for` are not looked at."""
        found: dict[str, object] = dict(differences(self.objects, other.objects))
        for table in self.rows.keys() | other.rows.keys():
            if self.rows.get(table) != other.rows.get(table):
                found[f"rows of {table}"] = (self.rows.get(table), other.rows.get(table))
        if self.revision != other.revision:
            found["revision"] = (self.revision, other.revision)
        return {name: pair for name, pair in found.items() if but_for is None or but_for not in name}


def state_of(database: Database) -> State:
    """Return the state of a database, which is whole as far as the engine itself can tell."""
    with closing(database.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = [name for (name,) in execute(connection, TABLES[dialect_of(connection)])]
        return State(_revision(connection, tables), catalog(connection), _rows(connection, tables))


def _revision(connection: Connection, tables: list[str]) -> str:
    if VERSION_TABLE not in tables:
        return "base"
    heads = [head for (head,) in execute(connection, f"SELECT version_num FROM {VERSION_TABLE}")]  # noqa: S608
    assert len(heads) <= 1, heads
    return heads[0] if heads else "base"


def _rows(connection: Connection, tables: list[str]) -> dict[str, int]:
    counted = " UNION ALL ".join(f"SELECT '{table}', (SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
    return dict(execute(connection, counted).fetchall()) if tables else {}
