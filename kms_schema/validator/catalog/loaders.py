"""The loaders of text and JSON for the catalog, independent of the loaders of the application's connection.

A database with the encoding SQL_ASCII stores any bytes as names. Its driver returns them as bytes, and a server that
converts to UTF-8 refuses the whole query for one invalid name. Here a byte that is not UTF-8 becomes `\\xe9`.
"""

import json
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader


def readable(text: bytes) -> str:
    """Return `text` decoded as UTF-8; every invalid byte becomes `\\xNN`."""
    return text.decode("utf-8", "backslashreplace")


class _Text(Loader):
    def load(self, data: Buffer) -> str:
        return readable(bytes(data))


class _Json(Loader):
    def load(self, data: Buffer) -> Any:
        raw = bytes(data)
        try:
            return json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError:
            return _readable_within(json.loads(raw.decode("utf-8", "surrogateescape")))


def _readable_within(value: Any) -> Any:
    match value:
        case str():
            return readable(value.encode("utf-8", "surrogateescape"))
        case list():
            return [_readable_within(item) for item in value]
        case dict():
            return {_readable_within(name): _readable_within(item) for name, item in value.items()}
    return value


def register(cursor: psycopg.Cursor[Any]) -> None:
    """Use these loaders for one cursor."""
    for name in ("text", "varchar", "name"):
        cursor.adapters.register_loader(name, _Text)
    for name in ("json", "jsonb"):
        cursor.adapters.register_loader(name, _Json)
