"""For each rule of 005 that demands something of a stored row: the ways to break it in a database at 004.

Each breach is one statement over rows that are in order, so that the same statement shows both that a query finds
what was written at 004 and that the trigger refuses it at 005.
"""

import pytest

from tests.breaches_of_keys import BREACHES_OF_KEYS
from tests.breaches_of_rotations import BREACHES_OF_ROTATIONS
from tests.breaches_of_versions import BREACHES_OF_VERSIONS
from tests.breaches_of_wrappers import BREACHES_OF_WRAPPERS

BREACHES = [*BREACHES_OF_KEYS, *BREACHES_OF_VERSIONS, *BREACHES_OF_WRAPPERS, *BREACHES_OF_ROTATIONS]

EACH_BREACH = pytest.mark.parametrize(
    "breach",
    [
        pytest.param(
            breach,
            id=str(breach),
            marks=[pytest.mark.only_on(breach.dialects[0])] if len(breach.dialects) == 1 else [],
        )
        for breach in BREACHES
    ],
)
"""Runs a test once for each breach, on the engines that let it happen."""
