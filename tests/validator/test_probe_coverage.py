"""Every trigger, constraint and unique index of every revision is probed, or it is written down why it cannot be."""

import pytest

import tools.declared_attempts as tool
from kms_schema import snapshots
from kms_schema.validator.probe.attempt import Attempt, Engine
from kms_schema.validator.probe.every_attempt import attempts
from tests.validator.probe.sessions import NEWEST, by_protection, expected_of, protections_of
from tests.validator.probe.unprobed import why_unprobed

ENGINES: tuple[Engine, ...] = ("postgresql", "sqlite")
each_engine = pytest.mark.parametrize("engine", ENGINES)
each_revision = pytest.mark.parametrize("revision", snapshots.chain()[1:])


@each_engine
@each_revision
def test_every_guard_has_an_attempt_or_a_reason(engine: Engine, revision: str) -> None:
    expected = expected_of(engine, revision)
    probed = by_protection(engine, NEWEST[engine], expected)
    silent = {key for key in protections_of(expected) if key not in probed and not why_unprobed(key, engine, expected)}
    assert silent == set(), "write an attempt, or in unprobed.py why there can be none"


@each_engine
@each_revision
def test_no_reason_is_given_for_a_guard_that_is_probed(engine: Engine, revision: str) -> None:
    expected = expected_of(engine, revision)
    probed = by_protection(engine, NEWEST[engine], expected)
    both = {key: reason for key in probed if (reason := why_unprobed(key, engine, expected))}
    for key in [key for key in both if str(expected[key].get("definition")).startswith("FOREIGN KEY")]:
        both.pop(key)  # of its two ends a trigger may protection one
    assert both == {}


@each_engine
def test_a_rule_without_an_attempt_is_noticed(engine: Engine) -> None:
    expected = expected_of(engine, snapshots.chain()[-1])
    expected["trigger key_masters.newcomer"] = {"table": "key_masters", "definition": "CREATE TRIGGER {name} …"}
    assert why_unprobed("trigger key_masters.newcomer", engine, expected) is None
    assert "trigger key_masters.newcomer" not in by_protection(engine, NEWEST[engine], expected)


def test_every_attempt_is_made_at_some_revision() -> None:
    made = {
        attempt.tries
        for engine in ENGINES
        for revision in snapshots.chain()[1:]
        for of_guard in by_protection(engine, NEWEST[engine], expected_of(engine, revision)).values()
        for attempt in of_guard
        if isinstance(attempt, Attempt)
    }
    head = snapshots.chain()[-1]
    written = {
        attempt.tries
        for engine in ENGINES
        for attempt in attempts(engine, NEWEST[engine], expected_of(engine, head))
        if isinstance(attempt, Attempt)
    }
    assert written - made == set()


def test_the_lists_are_those_of_the_head() -> None:
    for file, text in tool.texts():
        assert file.read_text("utf-8") == text, "run tools/refresh"
