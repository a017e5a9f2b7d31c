"""Parse SQLite's text of a table into columns and constraints, each as it was written.

`sqlite_schema.sql` is the only place where SQLite stores CHECK constraints and names of constraints. Parsing loses
nothing but white space.
https://www.sqlite.org/lang_createtable.html
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase


def _takes_for_blank(character: str) -> bool:
    """Return whether this library of SQLite does so between two words."""
    with closing(sqlite3.connect(":memory:")) as connection, suppress(sqlite3.Error):
        return connection.execute(f"SELECT {character}1").fetchall() == [(1,)]
    return False


_MARK = "\ufeff" if _takes_for_blank("\ufeff") else ""
"""The byte order mark, which is a blank for newer libraries, and the first letter of a name for others."""
_NOT_MARK = f"(?!{_MARK})" if _MARK else ""
_PIECE = re.compile(
    rf"""--[^\n]*(?:\n|$) | /\*.*?(?:\*/|$)          # comments
      | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]
      | [ \t\n\f\r][ \t\n\v\f\r]* | {_MARK or "(?!)"} | [A-Za-z_\x80-\U0010ffff$][\w$\x80-\U0010ffff]* | [0-9][\w.]*
      | .""",
    re.VERBOSE | re.DOTALL,
)
"""White space is what SQLite takes for it: a no-break space is a letter there, a vertical tab a blank after another."""
_WORD = re.compile(
    rf"""--[^\n]* | /\*.*?(?:\*/|$) | '[^']*(?:''[^']*)*' | [0-9][\w.]*
      | ( "[^"]*(?:""[^"]*)*" | `[^`]*(?:``[^`]*)*` | \[[^\]]*\]
      | {_NOT_MARK}[A-Za-z_\x80-\U0010ffff$][\w$\x80-\U0010ffff]* )""",
    re.VERBOSE | re.DOTALL,
)
"""The group is an identifier or key word; what else could contain one is skipped."""
_SPACES = " \t\n\f\r" + _MARK
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
_CONSTRAINT_WORDS = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})

_remembered = lru_cache(maxsize=1024)
"""For processes that validate again, or many files: they meet the same definitions each time."""


@dataclass(frozen=True)
class TableText:
    """A CREATE TABLE in pieces: columns and constraints by name, and the text after the bracket."""

    columns: dict[str, str]
    constraints: dict[str, str]
    options: str


@_remembered
def one_spaced(sql: str) -> str:
    """Return `sql` with one space for each run of white space outside quotes."""
    return _joined(_pieces(sql))


@_remembered
def split_table(sql: str) -> TableText:
    """Split the text of a CREATE TABLE; one of another form (AS SELECT, virtual) is all `options`."""
    pieces = _pieces(sql)
    head, items, tail = _items(pieces)
    if not items or "VIRTUAL" in (piece.upper() for piece in head):
        return TableText({}, {}, _joined(pieces))
    columns: dict[str, str] = {}
    constraints: dict[str, str] = {}
    for item in items:
        words = [piece for piece in item if _says_something(piece)]
        if not words:
            continue
        if words[0].upper() not in _CONSTRAINT_WORDS:
            columns[unquoted(words[0])] = _joined(item[item.index(words[0]) + 1 :])
        elif words[0].upper() == "CONSTRAINT":
            _add(constraints, unquoted(words[1]), _joined(item[item.index(words[1]) + 1 :]))
        else:
            _add(constraints, f"({_joined(item)})", _joined(item))
    return TableText(columns, constraints, _joined(tail).upper())


def _add(constraints: dict[str, str], name: str, definition: str) -> None:
    """Add a constraint; SQLite allows several of one name."""
    while name in constraints:
        name += " again"
    constraints[name] = definition


def folded(name: str) -> str:
    """Return a name as SQLite compares it: `K` is `k`, and no other letter is, such as the Kelvin sign."""
    return name.translate(_SMALL)


def unquoted(name: str) -> str:
    """Return an identifier without its quotes."""
    if len(name) > 1 and name[0] in "\"'`[":
        quote = name[-1]
        return name[1:-1].replace(quote * 2, quote)
    return name


@_remembered
def words_of(sql: str) -> frozenset[str]:
    """Return the identifiers and key words in `sql`, in lower case; comments and strings are left out."""
    return frozenset(folded(unquoted(word)) for word in set(_WORD.findall(sql)) if word)


def tokens(sql: str) -> Iterator[tuple[str, int]]:
    """Yield each token with its position, without white space and comments."""
    return ((each[0], each.start()) for each in _PIECE.finditer(sql) if _says_something(each[0]))


def _says_something(piece: str) -> bool:
    return piece[0] not in _SPACES and not piece.startswith(("--", "/*"))


def _pieces(sql: str) -> list[str]:
    return [" " if piece[0] in _SPACES else piece for piece in _PIECE.findall(sql)]


def _items(pieces: list[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the pieces before the outer parentheses, their comma-separated items, and the pieces after them."""
    if "(" not in pieces:
        return pieces, [], []
    start = pieces.index("(")
    items: list[list[str]] = [[]]
    depth = 0
    for position, piece in enumerate(pieces[start:], start):
        depth += (piece == "(") - (piece == ")")
        if depth == 0:
            return pieces[:start], items, pieces[position + 1 :]
        if depth == 1 and piece == ",":
            items.append([])
        elif position > start:
            items[-1].append(piece)
    return pieces, [], []


def _joined(pieces: list[str]) -> str:
    """Join the pieces; a comment to the end of a line keeps its line, and a string its blanks."""
    joined: list[str] = []
    for piece in pieces:
        after_line = bool(joined) and joined[-1].startswith("--")
        joined.append(
            "" if piece == " " and after_line else re.sub(" *\n", "\n", piece) if piece[:2] == "--" else piece
        )
    return "".join(joined).strip(_SPACES)
