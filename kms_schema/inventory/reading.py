"""Reads keys, versions and HSMs from one snapshot of either engine, a batch of rows in memory at a time."""

from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import Any

from kms_schema.audit.storage.row_security import shows_every_row
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.inventory.rows import Hsm, InventoryError, Key, Version, Wrapper
from kms_schema.reading.dialects import DIALECTS
from kms_schema.reading.queries import Queries
from kms_schema.reading.reader import Reader as QueryReader

BATCH = 2000
"""Rows that are fetched at once."""

_QUERIES = Queries(__file__)
_KEY_COLUMNS = len(Key._fields)
_TABLES = ("key_masters", "key_versions", "hsm_configurations")


class Reader(QueryReader):
    """The rows of a snapshot that is open on a connection of psycopg or sqlite3."""

    def __init__(self, connection: DatabaseConnection, schema: str, *, names: bool) -> None:
        """Read from the tables in `schema`, by the names of keys, or by their ids without `names`."""
        super().__init__(connection, schema, _QUERIES)
        self._names = names

    def require_every_row(self) -> None:
        """Raise `InventoryError` if a policy of PostgreSQL hides rows from this role: versions would be missing."""
        if self.on_sqlite:
            return
        with closing(self.cursor()) as cursor:
            shows_all = cursor.execute(shows_every_row(self.name, _TABLES)).fetchall()
        if shows_all != [(True,)]:
            raise InventoryError(
                "a row-level security policy hides rows of the keys from this role: write the inventory as a member of"
                " kms_auditor and of no role that sees less"
            )

    def keys_with_versions(self) -> Iterator[tuple[Key, list[Version]]]:
        """Yield each key with its versions, in the order of their names and numbers."""
        for _, rows in groupby(self._keys(), key=itemgetter(0)):
            first = next(rows)
            versions = [Version(*row[_KEY_COLUMNS:]) for row in (first, *rows) if row[_KEY_COLUMNS] is not None]
            yield Key(*first[:_KEY_COLUMNS]), versions

    def hsms(self) -> list[Hsm]:
        """Return the HSM configurations in the order of their names."""
        # SQLite has numbers for true and false.
        found = (Hsm(*row) for row in self.rows("hsms", {"order": self._order("h", "configuration_name")}))
        return [
            each._replace(is_active=bool(each.is_active), require_dual_auth=bool(each.require_dual_auth))
            for each in found
        ]

    def wrappers(self) -> dict[str, Wrapper]:
        """Return the versions of KEKs that are not destroyed, by their ids: few beside the versions of other keys."""
        return {identity: Wrapper(*columns) for identity, *columns in self.rows("wrappers")}

    def roots(self) -> list[str]:
        """Return the references of the root keys in use, sorted."""
        return sorted(str(row[0]) for row in self.rows("roots"))

    def _order(self, table: str, name: str) -> str:
        by_name = DIALECTS[self.engine].expressions["bytewise"].format(f"{table}.{name}")
        return by_name if self._names else f"{table}.id"

    def _keys(self) -> Iterator[Any]:
        order = {"order": self._order("m", "key_id")}
        return self.stream("keys", order) if self.on_sqlite else self._fetched(self.text("keys", **order))

    def _fetched(self, query: str) -> Iterator[Any]:
        with closing(self.cursor()) as cursor:
            # Otherwise the planner takes it that a tenth of the rows is read.
            cursor.execute(f"SET LOCAL cursor_tuple_fraction = 1; DECLARE kms_inventory CURSOR FOR {query}")
            while rows := cursor.execute(f"FETCH {BATCH} FROM kms_inventory").fetchall():
                yield from rows
            cursor.execute("CLOSE kms_inventory")
