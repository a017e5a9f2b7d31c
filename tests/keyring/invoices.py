"""A table of invoices whose column is encrypted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from kms_schema.keyring import KeyRing
from support.engines import Database
from support.programs.commands import Said, kms_schema
from support.rows.smallest import unique
from tests.keyring.rings import rows

NOT_A_CIPHERTEXT = b"plaintext of an application, long enough"


@contextmanager
def invoices(ring: KeyRing, engine: sa.Engine, *columns: Any) -> Iterator[sa.Table]:
    """A table of the application, whose column `iban` has this ring."""
    table = sa.Table(unique("invoices").replace("-", "_"), sa.MetaData(), *columns)
    ring.attach(table.metadata)
    table.create(engine)
    try:
        yield table
    finally:
        table.drop(engine)


def stored(database: Database, table: sa.Table) -> dict[Any, bytes]:
    return dict(rows(database, f"SELECT id, iban FROM {table.name}"))  # noqa: S608


def reencrypt(database: Database, table: sa.Table, key: str, *words: str) -> Said:
    return kms_schema("reencrypt", f"{table.name}.iban", "--key", key, *words, url=database.url)
