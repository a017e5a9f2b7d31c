"""pytest-alembic's own tests, on every engine."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from pytest_alembic.config import Config
from pytest_alembic.tests import (
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)
from pytest_alembic.tests.experimental import test_downgrade_leaves_no_trace

from support.engines import Database
from support.engines.database import ALEMBIC_INI

__all__ = [
    "test_downgrade_leaves_no_trace",
    "test_model_definitions_match_ddl",
    "test_single_head_revision",
    "test_up_down_consistency",
    "test_upgrade",
]


pytest.mark.full(test_downgrade_leaves_no_trace)  # it autogenerates three times for each revision


@pytest.fixture
def alembic_config() -> Config:
    return Config.from_raw_config({"file": str(ALEMBIC_INI)})


@pytest.fixture
def alembic_engine(empty_database: Database) -> Iterator[sa.Engine]:
    engine = empty_database.engine()
    yield engine
    engine.dispose()
