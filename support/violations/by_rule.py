"""Violations of each rule of 005 about stored rows, in a database at 004.

Each violation is one statement over valid rows. So the same statement shows that the query finds the rows written at
004, and that the trigger refuses it at 005.
"""

import re
from collections.abc import Callable, Iterable

import pytest

from support.violations.keys import VIOLATIONS_OF_KEYS
from support.violations.rotations import VIOLATIONS_OF_ROTATIONS
from support.violations.versions import VIOLATIONS_OF_VERSIONS
from support.violations.violation import Violation
from support.violations.wrappers import VIOLATIONS_OF_WRAPPERS

VIOLATIONS = [*VIOLATIONS_OF_KEYS, *VIOLATIONS_OF_VERSIONS, *VIOLATIONS_OF_WRAPPERS, *VIOLATIONS_OF_ROTATIONS]


def _each(chosen: Iterable[Violation], alike: Callable[[Violation], object] | None = None) -> pytest.MarkDecorator:
    """Parametrize by violations, each on its engines; unless --full is given, by one of those that are `alike`."""
    seen: set[object] = set()
    cases = []
    for violation in chosen:
        marks = [pytest.mark.only_on(violation.dialects[0])] if len(violation.dialects) == 1 else []
        kind = alike and (alike(violation), tuple(violation.dialects))
        if kind in seen:
            marks.append(pytest.mark.full)
        seen |= {kind} if kind else set()
        cases.append(pytest.param(violation, id=str(violation), marks=marks))
    return pytest.mark.parametrize("violation", cases)


EACH_VIOLATION = _each(VIOLATIONS)
"""Runs a test once for each violation."""
A_VIOLATION_OF_EACH_RULE = _each(VIOLATIONS, lambda violation: violation.rule)
"""Runs a slow test once for each rule; a quick test covers each violation."""
A_VIOLATION_OF_EACH_TABLE = _each(VIOLATIONS, lambda each: re.findall("key_master|key_version|rotation", each.rule)[0])
"""Runs the slowest tests once for each table; slow ones cover each rule."""
