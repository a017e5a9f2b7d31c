"""Two drifts of objects that need each other: the printed fixes converge."""

from contextlib import closing

import pytest

from kms_schema import validate
from support.engines import Engines
from tests.validator.mutations.dialects import every_mutation, kinds_on
from tests.validator.mutations.pairs import pairs, tried

PARTS = 8
DEFAULT = 3
"""How many pairs are tried without --full."""


@pytest.mark.parametrize("part", [0, *(pytest.param(each, marks=pytest.mark.full) for each in range(1, PARTS))])
def test_two_drifts_that_share_a_dependency_are_fixed(
    engines: Engines, engine_name: str, part: int, pytestconfig: pytest.Config
) -> None:
    template = engines.migrated(engine_name, "template")
    with closing(template.connect()) as connection:
        version = validate(connection).version
    every = list(pairs(every_mutation(template, kinds_on(engine_name)), engine_name.partition("-")[0], version))
    chosen = every[part::PARTS] if pytestconfig.getoption("--full") else every[:: len(every) // DEFAULT]
    faults = [
        f"{one.kind.name}, {one.names} and {other.kind.name}, {other.names}: {said}"
        for (one, other), said in tried(engines[engine_name], template, chosen)
        if said not in {"fixed", "manual", "impossible"}
    ]
    assert faults == []
