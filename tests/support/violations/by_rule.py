"""For each rule of 005 that demands something of a stored row: the ways to break it in a database at 004.

Each breach is one statement over rows that are in order, so that the same statement shows both that a query finds
what was written at 004 and that the trigger refuses it at 005.
"""

from collections.abc import Iterable

import pytest

from tests.support.violations.keys import BREACHES_OF_KEYS
from tests.support.violations.rotations import BREACHES_OF_ROTATIONS
from tests.support.violations.versions import BREACHES_OF_VERSIONS
from tests.support.violations.violation import Breach
from tests.support.violations.wrappers import BREACHES_OF_WRAPPERS

BREACHES = [*BREACHES_OF_KEYS, *BREACHES_OF_VERSIONS, *BREACHES_OF_WRAPPERS, *BREACHES_OF_ROTATIONS]


def _each(chosen: Iterable[Breach], *, sparingly: bool = False) -> pytest.MarkDecorator:
    """Parametrize by breaches, each on the engines that let it happen; `sparingly`, one of each rule without --full."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    cases = []
    for breach in chosen:
        marks = [pytest.mark.only_on(breach.dialects[0])] if len(breach.dialects) == 1 else []
        kind = breach.rule, tuple(breach.dialects)
        if sparingly and kind in seen:
            marks.append(pytest.mark.full)
        seen.add(kind)
        cases.append(pytest.param(breach, id=str(breach), marks=marks))
    return pytest.mark.parametrize("breach", cases)


EACH_BREACH = _each(BREACHES)
"""Runs a test once for each breach."""
A_BREACH_OF_EACH_RULE = _each(BREACHES, sparingly=True)
"""Runs a test that is slow: what is tried for each breach by a quick one, it tries for each rule."""
