"""What tests of the probe share."""

import pytest

from kms_schema.validator import probe as probe_package
from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.probe.attempt import Engine
from tests.validator.probe.sessions import OnlyAt, Tried, by_protection


@pytest.fixture
def only_at(monkeypatch: pytest.MonkeyPatch) -> OnlyAt:
    """Have a probe in this process make those attempts only whose protection has one of the words in its name.

    For tests of how a probe goes about it: `test_everything_is_refused_as_promised` makes every attempt.
    """

    def choose(*words: str) -> None:
        def chosen(engine: Engine, version: int, expected: Objects) -> Tried:
            found = by_protection(engine, version, expected).items()
            return [each for name, tried in found if any(word in name for word in words) for each in tried]

        monkeypatch.setattr(probe_package, "attempts", chosen)

    return choose
