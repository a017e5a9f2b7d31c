"""Fixtures for what several modules of this folder look at."""

import pytest

from tests.shared import SharedDatabase
from tests.views_stand_in import StandIn


@pytest.fixture
def stand_in(shared: SharedDatabase) -> StandIn:
    """The views at a time and over rows that the test chooses."""
    return StandIn(shared.connection, shared.dialect)
