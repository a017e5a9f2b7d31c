"""Fixtures of the tests of the schema."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session, sessionmaker

from support.engines import Database


@pytest.fixture
def sessions(database: Database) -> Iterator[sessionmaker[Session]]:
    engine = database.engine()
    yield sessionmaker(engine)
    engine.dispose()


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as opened:
        yield opened
