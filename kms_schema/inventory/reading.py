"""Reads keys, versions and HSMs from one snapshot of either engine, a batch of rows in memory at a time."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from kms_schema.audit.storage.row_security import shows_every_row
from kms_schema.inventory.rows import Hsm, InventoryError, Key, Version, Wrapper

if TYPE_CHECKING:
    import psycopg

BATCH = 2000
"""Rows that are fetched at once."""

_KEYS = """SELECT {m_id}, m.key_id, m.key_type, m.algorithm, m.key_size_bits, m.status, m.status_reason,
    {m_created_at}, {m_activated_at}, {m_expires_at}, {m_revoked_at}, m.parent_key_id, m.max_usage_count,
    m.hsm_provider, m.security_level, {m_encrypted_columns},
    {v_id}, v.version_number, {v_created_at}, {v_activated_at}, {v_deactivated_at}, {v_destroyed_at}, v.usage_count,
    v.data_volume_bytes, {v_wrapped_by_version_id}, v.wrapping_key_ref, v.hsm_key_id, {wrapping_algorithm}
FROM {schema}key_masters AS m LEFT JOIN {schema}key_versions AS v ON v.key_id = m.id
ORDER BY {order}, v.version_number"""
_HSMS = """SELECT {h_id}, h.configuration_name, h.provider, h.endpoint_url, h.is_active, h.health_status,
    {h_last_health_check}, h.require_dual_auth, h.max_key_size_bits, {h_supported_algorithms}, {h_created_at},
    h.wrapping_key_ref
FROM {schema}hsm_configurations AS h ORDER BY {h_order}"""
_WRAPPERS = """SELECT {v_id}, m.key_id, v.version_number, m.algorithm, m.key_size_bits,
    {v_wrapped_by_version_id}, v.wrapping_key_ref
FROM {schema}key_versions AS v JOIN {schema}key_masters AS m ON m.id = v.key_id
WHERE m.key_type = 'kek' AND v.destroyed_at IS NULL"""
_ROOTS = """SELECT wrapping_key_ref FROM {schema}key_versions
    WHERE wrapping_key_ref IS NOT NULL AND destroyed_at IS NULL
UNION SELECT wrapping_key_ref FROM {schema}hsm_configurations WHERE wrapping_key_ref IS NOT NULL"""
_IDS = ("m_id", "v_id", "h_id", "v_wrapped_by_version_id")
_TIMES = (
    "m_created_at", "m_activated_at", "m_expires_at", "m_revoked_at", "v_created_at", "v_activated_at",
    "v_deactivated_at", "v_destroyed_at", "h_last_health_check", "h_created_at",
)  # fmt: skip
_DOCUMENTS = ("m_encrypted_columns", "h_supported_algorithms")
_KEY_COLUMNS = len(Key._fields)
_TABLES = ("key_masters", "key_versions", "hsm_configurations")


class Reader:
    """The rows of a snapshot that is open on a connection of psycopg or sqlite3."""

    def __init__(self, connection: "psycopg.Connection[Any] | sqlite3.Connection", schema: str, *, names: bool) -> None:
        """Read from the tables in `schema`, by the names of keys, or by their ids without `names`."""
        self._connection = connection
        self._sqlite: bool = isinstance(connection, sqlite3.Connection)
        self._words: Mapping[str, str] = (_words_of_sqlite if self._sqlite else _words_of_postgresql)(schema, names)
        self._schema = schema

    def require_every_row(self) -> None:
        """Raise `InventoryError` if a policy of PostgreSQL hides rows from this role: versions would be missing."""
        if not self._sqlite and self._all(shows_every_row(self._schema, _TABLES)) != [(True,)]:
            raise InventoryError(
                "a row-level security policy hides rows of the keys from this role: write the inventory as a member of"
                " kms_auditor and of no role that sees less"
            )

    def keys_with_versions(self) -> Iterator[tuple[Key, list[Version]]]:
        """Yield each key with its versions, in the order of their names and numbers."""
        for _, rows in groupby(self._stream(_KEYS), key=itemgetter(0)):
            first = next(rows)
            versions = [Version(*row[_KEY_COLUMNS:]) for row in (first, *rows) if row[_KEY_COLUMNS] is not None]
            yield Key(*first[:_KEY_COLUMNS]), versions

    def hsms(self) -> list[Hsm]:
        """Return the HSM configurations in the order of their names."""
        # SQLite has numbers for true and false.
        found = (Hsm(*row) for row in self._all(_HSMS.format_map(self._words)))
        return [
            each._replace(is_active=bool(each.is_active), require_dual_auth=bool(each.require_dual_auth))
            for each in found
        ]

    def wrappers(self) -> dict[str, Wrapper]:
        """Return the versions of KEKs that are not destroyed, by their ids: few beside the versions of other keys."""
        rows = self._all(_WRAPPERS.format_map(self._words))
        return {identity: Wrapper(*columns) for identity, *columns in rows}

    def roots(self) -> list[str]:
        """Return the references of the root keys in use, sorted."""
        return sorted(str(row[0]) for row in self._all(_ROOTS.format_map(self._words)))

    def _all(self, query: str) -> list[Any]:
        with closing(self._cursor()) as cursor:
            return list(cursor.execute(query).fetchall())

    def _cursor(self) -> Any:
        """Return a cursor whose rows are tuples, whatever those of the connection are."""
        if isinstance(self._connection, sqlite3.Connection):
            cursor = self._connection.cursor()
            cursor.row_factory = None
            return cursor
        return self._connection.cursor(row_factory=lambda _cursor: tuple)

    def _stream(self, template: str) -> Iterator[Any]:
        query = template.format_map(self._words)
        with closing(self._cursor()) as cursor:
            if self._sqlite:
                yield from cursor.execute(query)
                return
            # Otherwise the planner takes it that a tenth of the rows is read.
            cursor.execute(f"SET LOCAL cursor_tuple_fraction = 1; DECLARE kms_inventory CURSOR FOR {query}")
            while rows := cursor.execute(f"FETCH {BATCH} FROM kms_inventory").fetchall():
                yield from rows
            cursor.execute("CLOSE kms_inventory")


def _words_of_postgresql(schema: str, names: bool) -> Mapping[str, str]:
    place = '"' + schema.replace('"', '""') + '".'
    return {
        "schema": place,
        "order": 'm.key_id COLLATE "C"' if names else "m.id",
        "h_order": 'h.configuration_name COLLATE "C"' if names else "h.id",
        "wrapping_algorithm": "v.encryption_metadata ->> 'algorithm'",
        # Casts to text could call a function that a superuser has given CREATE CAST.
        **{word: f"textin(uuid_out({_column(word)}))" for word in _IDS},
        **{word: f"textin(jsonb_out({_column(word)}))" for word in _DOCUMENTS},
        **{
            word: f"to_char({_column(word)} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')" for word in _TIMES
        },
    }


def _words_of_sqlite(_schema: str, names: bool) -> Mapping[str, str]:
    return {
        "schema": "main.",
        "order": "m.key_id" if names else "m.id",
        "h_order": "h.configuration_name" if names else "h.id",
        "wrapping_algorithm": "json_extract(v.encryption_metadata, '$.algorithm')",
        **{word: _with_hyphens(_column(word)) for word in _IDS},
        **{word: _column(word) for word in (*_TIMES, *_DOCUMENTS)},
    }


def _column(word: str) -> str:
    table, _, column = word.partition("_")
    return f"{table}.{column}"


def _with_hyphens(column: str) -> str:
    """Return the SQL of an id as PostgreSQL prints it."""
    parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    return " || '-' || ".join(f"substr({column}, {first}, {length})" for first, length in parts)
