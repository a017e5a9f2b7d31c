"""Encrypted columns over asynchronous drivers: versions of what was read are opened before the result is used.

A result of `AsyncSession` or `AsyncConnection` has its rows already, and converts values when the application takes
them, outside of the greenlet, where nothing can be awaited. So the keys are opened once the statement was executed.
"""

from functools import cache
from types import NoneType
from typing import Any

import sqlalchemy as sa

from kms_schema.keyring.columns.places import NO_BYTES, Place
from kms_schema.keyring.formats.prefix import PREFIX_BYTES


def _executed(
    connection: sa.Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    if not connection.dialect.is_async or context.compiled is None:
        return
    columns = enumerate(getattr(context.compiled, "_result_columns", None) or ())  # DDL has none
    places = [(index, place) for index, each in columns if (place := getattr(each.type, "place", None)) is not None]
    rows = getattr(cursor, "_rows", ())  # cursors that stream have none: their rows are fetched in greenlets
    for index, place in places if rows else ():
        if isinstance(place, Place) and place.ring.awaits:
            found = (row[index] for row in rows if not isinstance(row[index], (NoneType, *NO_BYTES)))
            prefixes = {bytes(each[:PREFIX_BYTES]) for each in found}
            place.ring.open_prefixes(place.key_id, prefixes)


@cache
def install() -> None:
    """Listen to all engines, once."""
    sa.event.listen(sa.Engine, "after_cursor_execute", _executed)
