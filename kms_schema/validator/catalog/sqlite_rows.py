"""The rows of SQLite's catalog, and the faults of rows that SQLite would not have written.

SQLite obeys the text of a row. It takes the type and the names in any case and up to a NUL. `PRAGMA writable_schema`
lets a client write rows that SQLite obeys, and whose type or name is not that of their text. So a row is read as SQLite
obeys it, and every difference from the row that SQLite itself writes is a fault.
https://www.sqlite.org/schematab.html
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kms_schema.text.identifiers import literal
from kms_schema.text.printable import end_of_words
from kms_schema.validator.catalog.sqlite_ddl import folded, tokens, unquoted

# An expression has no declared type, for which an application may have registered a converter.
_QUERY = """SELECT rowid, typeof(type), type || '', typeof(name), name || '', typeof(tbl_name), tbl_name || '',
typeof(rootpage), rootpage, typeof(sql), sql || '' FROM {schema}.sqlite_schema ORDER BY rowid"""
_COLUMNS = ("type", "name", "tbl_name", "rootpage", "sql")
_KINDS = frozenset({"TABLE", "VIEW", "INDEX", "TRIGGER"})
_BEFORE_KIND = frozenset({"UNIQUE", "VIRTUAL", "TEMP", "TEMPORARY"})
_AFTER_NAME = {"table": {"(", "USING"}, "view": {"(", "AS"}, "index": {"ON"}}
_OWN = re.compile(
    r"CREATE TABLE sqlite_(sequence\(name,seq\)|stat1\(tbl,idx,stat\)|stat2\(tbl,idx,sampleno,sample\)"
    r"|stat[34]\(tbl,idx,neq,nlt,ndlt,sample\))"
)
"""The tables that SQLite creates for itself."""
_FIRST_PAGE = 2
"""The first page that a table or index can have: the catalog itself has page 1."""
_SHOWN = 60


@dataclass(frozen=True)
class CatalogRow:
    """One object as SQLite obeys its row: `faults` say how the row differs from what SQLite writes, `fix` is SQL."""

    place: str
    kind: str
    name: str
    schema: str
    """The schema of the table, if the text of a trigger names it."""
    table: str
    sql: str | None
    faults: tuple[str, ...] = ()
    fix: str | None = None


@dataclass(frozen=True)
class _Text:
    """The object that a text creates: `beginning` is how SQLite writes its words up to the name."""

    kind: str
    name: str
    schema: str
    table: str
    beginning: str
    rest: str
    following: str

    @property
    def has_pages(self) -> bool:
        """True of a table that is not virtual, and of an index."""
        return self.kind in {"table", "index"} and "VIRTUAL" not in self.beginning.split(" ")[:2]


def rows_in(cursor: sqlite3.Cursor, schema: str) -> list[CatalogRow]:
    """Return the rows of `schema`, `main` or `temp`."""
    stored = []
    for rowid, *pairs in _selected(cursor, schema):
        values = tuple(pairs[1::2])
        stored.append((rowid, tuple(pairs[::2]), values, _text_of(_until_nul(values[4]) or "")))
    relations = {folded(text.name): text.name for *_, text in stored if text and text.kind in {"table", "view"}}
    used: set[tuple[str, Any]] = set()
    rows = []
    for rowid, types, values, text in stored:
        # Triggers have names of their own. A page belongs to one table or index.
        kind, name, table, sql = _obeyed(values, text)
        keys = {("trigger" if kind == "trigger" else "relation", folded(name)), ("page", values[3] or None)}
        faults = [f"another row has the same {what}" for what, value in sorted(keys & used, key=str) if value]
        used |= keys
        faults += _faults(values, text, relations, schema)
        written = _written(values, text, relations)
        changed = [
            position
            for position, value in enumerate(written)
            if value != values[position] or types[position] != _type_of(value)
        ]
        fix = None if faults or not changed else _fix(rowid, schema, written, changed)
        faults += [_difference(position, types, values, written) for position in changed]
        place = f"row {rowid} of {schema}.sqlite_schema"
        of_table = _readable(text.schema if text else ""), _readable(table)
        text_of_row = None if sql is None else _readable(sql)
        rows.append(CatalogRow(place, kind, _readable(name), *of_table, text_of_row, tuple(faults), fix))
    return rows


def _selected(cursor: sqlite3.Cursor, schema: str) -> list[tuple[Any, ...]]:
    """Return the rows; a byte that is not UTF-8 is a letter, as it is for SQLite."""
    before = cursor.connection.text_factory
    cursor.connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    try:
        return cursor.execute(_QUERY.format(schema=schema)).fetchall()
    finally:
        cursor.connection.text_factory = before


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _until_nul(value: str | None) -> str | None:
    return None if value is None else value.partition("\0")[0]


def _obeyed(values: tuple[Any, ...], text: _Text | None) -> tuple[str, str, str, str | None]:
    """Return type, name, table and text as SQLite takes them: from the text, if there is one."""
    kind, name, table, sql = (_until_nul(values[position]) for position in (0, 1, 2, 4))
    if text is not None:
        return text.kind, text.name, text.table, sql
    return folded(kind or ""), name or "", table or "", sql


def _text_of(sql: str) -> _Text | None:
    """Return the object that a statement creates; None if it creates none."""
    words = tokens(sql)
    if next(words, ("", 0))[0].upper() != "CREATE":
        return None
    before = []
    kind = ""
    for word, _ in words:
        kind = word.upper()
        if kind not in _BEFORE_KIND:
            break
        before.append(kind)
    found = [*islice(words, 8), *[("", len(sql))] * 8]
    if [word.upper() for word, _ in found[:3]] == ["IF", "NOT", "EXISTS"]:
        found = found[3:]
    if found[1][0] == ".":
        found = found[2:]
    (token, start), (following, _), (second, _), *_ = found
    if kind not in _KINDS or not token:
        return None
    rest = sql[start + len(token) :]
    schema, table = _table_of_trigger(rest) if kind == "TRIGGER" else ("", second if kind == "INDEX" else token)
    beginning = " ".join(["CREATE", *(word for word in before if word in {"UNIQUE", "VIRTUAL"}), kind, token])
    return _Text(folded(kind), unquoted(token), unquoted(schema), unquoted(table), beginning, rest, following.upper())


def _table_of_trigger(rest: str) -> tuple[str, str]:
    """Return the schema, if it is named, and the table."""
    words = tokens(rest)
    for word, _ in words:
        if word.upper() == "ON":
            table, dot, qualified = [*(each for each, _ in islice(words, 3)), "", "", ""][:3]
            return (table, qualified) if dot == "." else ("", table)
    return "", ""


def _written(values: tuple[Any, ...], text: _Text | None, relations: Mapping[str, str]) -> tuple[Any, ...]:
    """Return the values that SQLite writes for the same object."""
    if text is None:
        return (*(_until_nul(values[position]) for position in (0, 1, 2)), values[3], values[4])
    table = relations.get(folded(text.table), text.table) if text.kind == "index" else text.table
    root = values[3] if text.has_pages else 0
    return text.kind, text.name, table, root, f"{text.beginning}{text.rest}"


def _faults(values: tuple[Any, ...], text: _Text | None, relations: Mapping[str, str], schema: str) -> Iterator[str]:
    """Yield what SQLite would have refused, or not have stored."""
    kind, name, table, sql = _obeyed(values, text)
    if (text is None or text.has_pages) and (not isinstance(values[3], int) or values[3] < _FIRST_PAGE):
        yield f"it has no page: rootpage is {values[3]!r}"
    if text is None:
        of_constraint = re.fullmatch(rf"sqlite_autoindex_{re.escape(table)}_[1-9][0-9]*", name)
        if sql is not None:
            yield f"its text creates nothing: {_shown(sql)}"
        elif kind != "index" or not of_constraint or relations.get(folded(table)) != table:
            yield "it has no text, and is not the index of a constraint"
        return
    if text.following not in _AFTER_NAME.get(kind, {text.following}):
        yield f"its text has {_shown(text.following)} after the name"
    if kind == "trigger" and text.rest[-3:].upper() != "END":
        yield "its text goes on after the END of the trigger"
    if kind != "trigger" and ";" in text.rest and any(word == ";" for word, _ in tokens(text.rest)):
        yield "its text goes on after the statement"
    # A temporary trigger may be on a table of any attached database, also of one that has been detached since.
    is_attached = kind == "index" or (kind == "trigger" and schema != "temp")
    if is_attached and (folded(table) not in relations or folded(table).startswith("sqlite_")):
        yield f"it is on {_shown(table)}, where SQLite creates none"
    if folded(name).startswith("sqlite_") and not _OWN.fullmatch(sql or ""):
        yield "SQLite refuses names that begin with sqlite_"


def _type_of(value: Any) -> str:
    return "null" if value is None else "integer" if isinstance(value, int) else "text"


def _difference(position: int, types: tuple[str, ...], values: tuple[Any, ...], written: tuple[Any, ...]) -> str:
    does, should = values[position], written[position]
    of_type = "" if does != should else f" of type {types[position]}"
    return f"{_COLUMNS[position]} is {_shown(does)}{of_type}, where SQLite writes {_shown(should)}"


def _fix(rowid: int, schema: str, written: tuple[Any, ...], changed: Iterable[int]) -> str | None:
    literals = [str(value) if isinstance(value, int) else literal(value) for value in written]
    values = ", ".join(f"{_COLUMNS[position]} = {literals[position]}" for position in changed)
    if values != _readable(values):
        return None  # no SQL that a terminal shows has these bytes
    update = f"UPDATE {schema}.sqlite_schema SET {values} WHERE rowid = {rowid}"
    return f"PRAGMA writable_schema = on; {update}; PRAGMA writable_schema = RESET;"


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value)
    end = end_of_words(value, _SHOWN)
    return repr(_readable(value[:end])) + " …" * (end < len(value))
