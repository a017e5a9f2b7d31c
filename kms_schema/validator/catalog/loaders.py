"""How values of the catalog come out of psycopg, whatever the application's connection makes of text and JSON.

A database of encoding SQL_ASCII keeps bytes of any kind as names. psycopg gives them as bytes, and a server asked for
UTF-8 refuses the whole query for one bad name: here they are read as they are, and what is no UTF-8 is written `\\xe9`.
"""

import json
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader


def readable(text: bytes) -> str:
    """Return `text` as UTF-8, with every byte that is none written as `\\xNN`."""
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
    """Have this cursor, and no other, load text and JSON in that way."""
    for name in ("text", "varchar", "name"):
        cursor.adapters.register_loader(name, _Text)
    for name in ("json", "jsonb"):
        cursor.adapters.register_loader(name, _Json)
