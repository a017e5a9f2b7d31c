"""Finds the encrypted columns that texts in a statement may mean, such as `order_by(text("2 DESC"))`.

A text is accepted if each name in it is that of another column. All other texts may mean the encrypted one: there are
too many ways to write a name and a number.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql import elements, operators, selectable

from kms_schema.keyring.columns.statement_parts import ciphertexts_in, parts_of, selects_of

_TOKEN = re.compile(r"""\s*(?:(\w+)|"((?:[^"]|"")*)"|('[^'\\]*')|([-+*/%<>=!|:.,()]))\s*""")
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "and as asc between by case collate desc distinct else end false filter first in is last like not null nulls"
        " or order over partition then true when where",
    )
)
_BEFORE_OTHER_NAMES = frozenset({"as", "collate", ":"})
"""Before names of types, labels, collations and parameters."""
_SEVERAL = re.compile(r"[,*]")


class _Named(NamedTuple):
    table: str
    names: set[str]
    column: Any
    is_listed: bool


class Texts:
    """The texts in the clauses of a select. Nothing is read from it before a clause has a text."""

    def __init__(self, select: Any) -> None:
        """Take a select, also a compound one."""
        self._selects = list(selects_of(select))

    def meant(self, clause: Any, *, with_numbers: bool = False) -> Iterator[Any]:
        """Return the encrypted columns that texts in a clause may mean.

        `with_numbers`: the database takes a number there for that of a column in the list, as in ORDER BY.
        """
        numbered = list(_numbered(clause)) if with_numbers else []
        for each in parts_of(clause):
            is_number = any(each is one for one in numbered)
            if is_number and isinstance(each, elements.BindParameter):
                yield from self._with_any_number()
            else:
                yield from self._of(each, is_number, with_list=True)

    def in_list(self) -> Iterator[Any]:
        """Return the encrypted columns that texts in the list of the select may mean."""
        for column in self._listed:
            for each in parts_of(column):
                yield from self._of(each, is_number=False, with_list=False)

    @cached_property
    def _listed(self) -> list[Any]:
        return [each for select in self._selects for each in getattr(select, "_all_selected_columns", ())]

    @cached_property
    def _columns(self) -> list[_Named]:
        found = [_Named("", _names_of(each), each, True) for each in self._listed]
        for select in self._selects:
            for part in select.get_final_froms() if isinstance(select, sa.Select) else ():
                for source in _tables_in(part):
                    table = str(getattr(source, "name", "")).casefold()
                    found += [_Named(table, _names_of(each), each, False) for each in source.c]
        return found

    @cached_property
    def _first(self) -> Any:
        """The encrypted column that is named where a text may mean any."""
        return next((column for each in self._columns for column in ciphertexts_in(each.column)), None)

    def _of(self, element: Any, is_number: bool, with_list: bool) -> Iterator[Any]:
        text = name = None
        if isinstance(element, elements.TextClause):
            text = element.text
        elif isinstance(element, elements._textual_label_reference):
            name = element.element
        elif isinstance(element, elements.ColumnClause) and element.is_literal:
            text = element.name
        elif isinstance(element, elements.ColumnClause) and element.table is None:
            name = None if isinstance(element, sa.Column) else element.name
        if (text is None and name is None) or self._first is None:
            return
        if name is not None:
            yield from self._with_name("", name.casefold(), with_list)
        elif text is not None and text.strip() != "*":  # that of count(*), and of all columns
            yield from self._in_text(text.casefold(), is_number, with_list)

    def _with_any_number(self) -> Iterator[Any]:
        """Yield what a parameter in place of a number may mean: a driver that writes it into the text makes one of it.

        The value is not looked at: a statement that was compiled is executed with others.
        """
        yield from (column for each in self._listed for column in ciphertexts_in(each))

    def _in_text(self, text: str, is_number: bool, with_list: bool) -> Iterator[Any]:
        tokens, end = [], 0
        while match := _TOKEN.match(text, end):
            tokens.append(match.groups())
            end = match.end()
        if end < len(text) or "--" in text or "/*" in text:
            yield self._first
            return
        for at, (word, quoted, string, sign) in enumerate(tokens):
            before = [each[0] or each[3] for each in tokens[max(at - 2, 0) : at]]
            after = tokens[at + 1][3] if at + 1 < len(tokens) else None
            if word is not None and word.isdecimal():
                if is_number and before[-1:] in ([], [","], ["("], ["+"], ["-"]) and after in (None, ",", ")"):
                    yield from self._with_number(int(word))
            elif is_number and before[-1:] == [":"] and before[:-1] in ([], [","], ["("]) and after in (None, ",", ")"):
                yield from self._with_any_number()
            elif word is not None or quoted is not None:
                name = word if quoted is None else quoted.replace('""', '"')
                is_other = word in _KEYWORDS or after == "("  # a function
                if word is not None and word[0].isdecimal():
                    yield self._first
                elif after == "." or (before and before[-1] in _BEFORE_OTHER_NAMES):
                    continue
                elif not is_other or self._is_encrypted(name):  # PostgreSQL reads a column also in iban(invoices)
                    table = tokens[at - 2] if before[-1:] == ["."] and at > 1 else ("", None)
                    yield from self._with_name(table[0] or table[1] or "", name, with_list)
            elif before[-1:] == ["."] and (string is not None or sign == "*"):
                yield self._first  # SQLite takes a string for a name there

    def _is_encrypted(self, name: str) -> bool:
        return any(name in each.names for each in self._columns for _ in ciphertexts_in(each.column))

    def _with_name(self, table: str, name: str, with_list: bool) -> Iterator[Any]:
        named = [each for each in self._columns if name in each.names and (with_list or not each.is_listed)]
        if table and any(each.table == table for each in self._columns):
            named = [each for each in named if each.table == table]
        if not named:
            yield self._first
        for each in named:
            yield from self._in_column(each.column) if each.is_listed else ciphertexts_in(each.column)

    def _with_number(self, number: int) -> Iterator[Any]:
        for select in self._selects:
            before = getattr(select, "_all_selected_columns", ())[:number]
            if any(_SEVERAL.search(_text_of(each)) for each in before):
                yield self._first
            elif 0 < number <= len(before):
                yield from self._in_column(before[-1])

    def _in_column(self, column: Any) -> Iterator[Any]:
        """Return the encrypted columns anywhere in a column of the list."""
        yield from ciphertexts_in(column)
        for each in parts_of(column):
            yield from self._of(each, is_number=False, with_list=False)


def _numbered(clause: Any) -> Iterator[Any]:
    """Return the parts of a clause that are a column's number if they are a number: not those of an expression."""
    if isinstance(clause, elements.ClauseList):
        for each in clause.clauses:
            yield from _numbered(each)
    elif isinstance(clause, elements.Grouping | elements.UnaryExpression | elements.Label | elements._label_reference):
        yield from _numbered(clause.element)
    elif isinstance(clause, elements.BinaryExpression) and clause.operator is operators.collate:
        yield from _numbered(clause.left)
    else:
        yield clause


def _names_of(column: Any) -> set[str]:
    names = (getattr(column, each, None) for each in ("name", "key", "_tq_label"))
    return {str(each).casefold() for each in names if each is not None}


def _text_of(column: Any) -> str:
    if isinstance(column, elements.TextClause):
        return column.text
    return column.name if isinstance(column, elements.ColumnClause) and column.is_literal else ""


def _tables_in(part: Any) -> Iterator[Any]:
    if isinstance(part, selectable.Join):
        yield from _tables_in(part.left)
        yield from _tables_in(part.right)
    elif isinstance(part, selectable.FromGrouping):
        yield from _tables_in(part.element)
    elif isinstance(part, selectable.FromClause):
        yield part
