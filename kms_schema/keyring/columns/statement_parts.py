"""The parts of statements, and the encrypted columns whose ciphertexts are in them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.sql import elements, functions, operators, selectable

from kms_schema.keyring.columns.encrypted_column import place_of

MEASURING = frozenset({"count", "length", "octet_length", "pg_column_size"})
"""Functions that say something of a ciphertext that is true. Others, such as `lower`, take it for a text."""
_WITH_NULL = (operators.is_, operators.is_not)


def parts_of(element: Any) -> Iterator[Any]:
    """Return an element and its parts, without those of the selects in it, whose names are other ones."""
    yield element
    if not isinstance(element, selectable.SelectBase):
        for child in element.get_children():
            yield from parts_of(child)


def selects_of(select: Any) -> Iterator[Any]:
    """Return a select, or each that is united in it."""
    if isinstance(select, selectable.CompoundSelect):
        for each in select.selects:
            yield from selects_of(each)
    elif isinstance(select, selectable.SelectStatementGrouping):
        yield from selects_of(select.element)
    else:
        yield select


def is_null_test(element: Any) -> bool:
    """Return whether an expression is IS NULL or IS NOT NULL: `IS` of SQLite compares with any value."""
    return element.operator in _WITH_NULL and any(
        isinstance(each, elements.Null) for each in (element.left, element.right)
    )


def ciphertexts_in(part: Any) -> Iterator[Any]:
    """Return the encrypted columns anywhere in a part of a statement, but for those that it tests for NULL or measures.

    Other operands of these are looked into: `check` of `statement_checks` looks at each part of a statement by itself.
    """
    if place_of(part) is not None:
        yield part
    is_harmless = False
    if isinstance(part, elements.BinaryExpression):
        is_harmless = is_null_test(part)
    elif isinstance(part, functions.FunctionElement):
        is_harmless = getattr(part, "name", "").lower() in MEASURING
    for child in part.clauses if isinstance(part, functions.FunctionElement) else part.get_children():
        if not is_harmless or place_of(child) is None:
            yield from ciphertexts_in(child)
