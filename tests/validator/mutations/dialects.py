"""The kinds of mutations of each engine, and which of the mutations to try."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from zlib import crc32

from support.engines import Database
from tests.validator.mutations import postgresql, sqlite
from tests.validator.mutations.kinds import Kind, Mutation, mutations
from tests.validator.mutations.postgresql.catalog import rows_of as rows_of_postgresql
from tests.validator.mutations.sqlite.catalog import rows_of as rows_of_sqlite

EVERY_KIND = {"postgresql": postgresql.KINDS, "sqlite": sqlite.KINDS}


def kinds_on(engine_name: str) -> tuple[Kind, ...]:
    """Return the kinds that an engine, such as `postgresql-15`, can have."""
    dialect, _, version = engine_name.partition("-")
    major = int(version.partition(".")[0] or 0)
    return tuple(kind for kind in EVERY_KIND[dialect] if kind.since <= major <= kind.until)


@cache
def every_mutation(template: Database, kinds: tuple[Kind, ...]) -> list[Mutation]:
    """Return each kind on each object of a migrated database that it fits."""
    with closing(template.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            rows = rows_of_sqlite(connection)
        else:
            rows = rows_of_postgresql(connection)
    return list(mutations(kinds, rows))


def one_of_each_kind(every: Iterable[Mutation]) -> Iterator[Mutation]:
    """Yield one mutation of each kind: always the same, and not of the same object for all kinds."""
    for name, found in _by_kind(every).items():
        yield found[crc32(name.encode()) % len(found)]


def two_of_each_kind(every: Iterable[Mutation]) -> Iterator[Mutation]:
    """Yield the first and the last mutation of each kind by the name of the object, where there are two."""
    for found in _by_kind(every).values():
        yield from found[:: max(len(found) - 1, 1)]


def _by_kind(every: Iterable[Mutation]) -> dict[str, list[Mutation]]:
    by_kind: dict[str, list[Mutation]] = {}
    for mutation in sorted(every, key=lambda mutation: (mutation.names, mutation.change)):  # a catalog has no order
        by_kind.setdefault(mutation.kind.name, []).append(mutation)
    return by_kind
