"""Whatever is changed in a migrated database, the validator finds it, names it, and says what fixes it."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from kms_schema import snapshots, validate
from support.engines import Database, Engines
from support.engines.programs import REPOSITORY
from support.programs import python
from tests.validator.mutations.dialects import every_mutation, kinds_on, one_of_each_kind
from tests.validator.mutations.kinds import Mutation, run
from tests.validator.mutations.runner import Court

pytestmark = pytest.mark.versions("oldest and newest")

BY_COMMAND = {True: 60, False: 2}
"""How many mutations are shown to the real command, a process each: with --full, and without."""

SHARE = 24
"""Without --full, one kind in so many is tried; `tests/validator/test_validate.py` has each code of the validator."""

PARTS = 6
"""With --full, all mutations take most of an hour: so many tests share them, and so the processes."""

ONE_OF_EACH_KIND = ("postgresql-14", "postgresql-15", "postgresql-16", "postgresql-17")
"""What has no mutation of each object, even with --full: these servers' catalogs are between that of 13 and of 18."""


@pytest.mark.parametrize("part", [0, *(pytest.param(each, marks=pytest.mark.full) for each in range(1, PARTS))])
def test_each_mutation_is_one_finding_that_names_the_object_and_fixes_it(
    engines: Engines, engine_name: str, part: int, pytestconfig: pytest.Config
) -> None:
    template = engines.migrated(engine_name, "template")
    every = every_mutation(template, kinds_on(engine_name))
    if pytestconfig.getoption("--full"):
        wanted = one_of_each_kind(every) if engine_name in ONE_OF_EACH_KIND else every
        chosen = sorted(wanted, key=lambda mutation: (mutation.names, mutation.change))[part::PARTS]
    else:
        chosen = list(one_of_each_kind(every))[::SHARE]
    trials = Court(engines[engine_name], template).trials(chosen)
    faults = [f"{trial.mutation.kind.name}, {trial.mutation.names}: {trial.fault}" for trial in trials if trial.fault]
    assert faults == []
    assert len(chosen) > 60 / SHARE


@pytest.mark.only_on("sqlite")
def test_the_command_finds_mutations_of_a_file(engines: Engines, engine_name: str, pytestconfig: pytest.Config) -> None:
    assert _wrong_by_command(engines, engine_name, BY_COMMAND[pytestconfig.getoption("--full")]) == []


@pytest.mark.only_on("postgresql-18")
def test_the_command_finds_mutations_on_a_server(
    engines: Engines, engine_name: str, pytestconfig: pytest.Config
) -> None:
    assert _wrong_by_command(engines, engine_name, BY_COMMAND[pytestconfig.getoption("--full")]) == []


def test_every_object_that_is_expected_is_mutated(engines: Engines, engine_name: str) -> None:
    """The mutations come from the catalog and the expectation from a snapshot: neither may know less."""
    template = engines.migrated(engine_name, "template")
    with closing(template.connect()) as connection:
        version = validate(connection).version
    mutated = {mutation.names for mutation in every_mutation(template, kinds_on(engine_name))}
    expected = snapshots.load(engine_name.partition("-")[0], snapshots.chain()[-1], version)
    assert sorted(expected.keys() - mutated) == []


def _wrong_by_command(engines: Engines, engine_name: str, number: int) -> list[str]:
    """Show so many mutations to the command; return those that it ended with another status for, or misnamed."""
    template = engines.migrated(engine_name, "template")
    mutations = [each for each in one_of_each_kind(every_mutation(template, kinds_on(engine_name))) if not each.undo]
    spread = mutations[:: max(1, len(mutations) // number)]
    assert len(spread) >= number * 5 // 6
    return list(_wrong(engines, template, spread))


def _wrong(engines: Engines, template: Database, mutations: list[Mutation]) -> Iterator[str]:
    engine = engines[template.engine_name]
    for mutation in mutations:
        database = engine.create(template)
        here = mutation.in_database(database.name)
        try:
            with closing(database.connect()) as connection:
                run(connection, here.change)
            status, objects = _validated(database)
        finally:
            engine.drop(database)
        if status != int(here.kind.severity == "error") or here.names not in objects:
            yield f"{here.kind.name}, {here.names}: exit {status}, {objects}"


def _validated(database: Database) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "kms_schema", "validate", "--database-url", database.url, "--format", "json"]
    done = python.run(command, cwd=REPOSITORY)
    return done.returncode, [finding["object"] for finding in json.loads(done.stdout)["findings"]]
