"""Fixtures: a session on a migrated database, and two root keys."""

import secrets
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, RootKeys, Secret
from support.engines import Database
from tests.crypto.wrapped_trees import NEXT_ROOT, ROOT, Tree


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    engine = database.engine()
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def wrapping() -> KeyWrapping:
    """Wraps under two root keys, `ROOT` and `NEXT_ROOT`."""
    roots = {reference: Secret(bytearray(secrets.token_bytes(32))) for reference in (ROOT, NEXT_ROOT)}
    return KeyWrapping(RootKeys(roots))


@pytest.fixture
def sql_engine(database: Database) -> Iterator[sa.Engine]:
    made = database.engine()
    yield made
    made.dispose()


@pytest.fixture
def tree(session: Session, wrapping: KeyWrapping) -> Tree:
    return Tree(session, wrapping)
