"""Each drift of an application's schema is one finding, and the SQL of the finding takes it back."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from kms_schema.validator.diff.findings import MANUAL_ACTION
from kms_schema.validator.host.comparison import snapshot_of, validate_host
from kms_schema.validator.host.scope import Scope
from support.engines import Database, Engine
from tests.validator.host.shop import DRIFTS, fill, run

pytestmark = pytest.mark.versions("oldest and newest")
SCOPE = Scope(("public", "sales"))


@pytest.fixture
def shop(engine: Engine) -> Iterator[Database]:
    database = engine.create()
    fill(database)
    yield database
    engine.drop(database)


def test_each_drift_is_a_finding_and_its_sql_takes_it_back(shop: Database) -> None:
    with closing(shop.connect()) as connection:
        expected = [snapshot_of(connection, SCOPE)]
        assert validate_host(connection, expected, SCOPE).findings == ()
        for drift in (each for each in DRIFTS[shop.dialect] if each.fixed):
            run(connection, drift.change)
            findings = validate_host(connection, expected, SCOPE).findings
            assert [(each.code, each.object) for each in findings] == [(drift.code, drift.object)], drift.change
            run(connection, str(findings[0].remediation))
            assert validate_host(connection, expected, SCOPE).findings == (), drift.change


def test_a_drift_without_sql_has_a_manual_action(shop: Database, engine: Engine) -> None:
    with closing(shop.connect()) as connection:
        expected = [snapshot_of(connection, SCOPE)]
    for drift in (each for each in DRIFTS[shop.dialect] if not each.fixed):
        changed = engine.create(shop)
        with closing(changed.connect()) as connection:
            run(connection, drift.change)
            [finding] = validate_host(connection, expected, SCOPE).findings
        engine.drop(changed)
        assert (finding.code, finding.object) == (drift.code, drift.object)
        assert str(finding.remediation).startswith(MANUAL_ACTION)
