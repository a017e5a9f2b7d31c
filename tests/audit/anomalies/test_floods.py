"""Many entries that are no anomaly, or that are one, hide no other: every entry of the days is judged."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from kms_schema.audit.anomalies import rules
from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.finding import find_anomalies
from kms_schema.audit.anomalies.log_reader import QUERIES
from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.audit.storage.errors import TrailError
from kms_schema.vocabulary import RecordedEvent
from support.engines import Engines
from support.engines.database import Connection
from support.engines.programs import REPOSITORY
from tests.audit.anomalies import plans
from tests.audit.anomalies.life import Life
from tests.audit.anomalies.loading import load
from tests.audit.anomalies.plans import at

FLOOD = 50
JUDGED = plans.DAYS - 1
USERS = 10
LOGINS = 4


def flooded() -> Life:
    """Return entries of which those that matter come last, in time and by name."""
    life = Life(seed=2)
    keys = plans.ordinary(life)
    plans.rotated(life, keys, "noon", at(JUDGED))
    first, second = (plans.own_key(life, keys, name, "revoked") for name in ("first", "second"))
    for number in range(USERS):
        plans.changed(life, keys, f"user-{number}", JUDGED - 10, JUDGED, count=5)
    plans.changed(life, keys, "zoe", JUDGED)
    for number in range(LOGINS):
        for day in (JUDGED - 10, JUDGED):
            plans.many(life, keys, f"job-{number}", rules.SWEEP_KEYS, day)
    plans.many(life, keys, "worker", rules.SWEEP_KEYS + 5, JUDGED)
    for key in (first, second):
        life.use(key, at(JUDGED - 1), "orders", decryptions=1, process="orders-1:7")
    life.use(second, at(JUDGED, 23), "orders", decryptions=1, process="orders-1:7")
    for minute in range(FLOOD):
        life.recorded(RecordedEvent.ROTATION_STARTED, at(JUDGED, 6, minute), "rotator", keys["orders-0"])
        life.recorded(RecordedEvent.KEY_REVOKED, at(JUDGED, 7, minute), "mallory", keys["orders-1"])
        life.use(first, at(JUDGED, 8, minute), "orders", decryptions=1, process="orders-1:7")
    life.recorded(RecordedEvent.KEY_REVOKED, at(JUDGED, 23), "trent", keys["orders-1"])
    return life


@pytest.fixture(scope="module")
def connection(engines: Engines, engine_name: str) -> Iterator[Connection]:
    engine = engines[engine_name]
    made = engine.create(engines.migrated(engine_name, "template"))
    with closing(made.connect()) as opened:
        load(opened, flooded())
        yield opened
    engine.drop(made)


def found(connection: Connection, rule: RuleName) -> list[Anomaly]:
    return find_anomalies(connection, at(JUDGED, 0), only=[rule])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RuleName.OUTSIDE_WINDOW, {("rotator", "noon", 1)}),
        (RuleName.ENDED_KEY_USED, {("orders", "first", FLOOD), ("orders", "second", 1)}),
        (RuleName.FORGED_ENTRY, {("mallory", "orders-1", FLOOD), ("trent", "orders-1", 1)}),
        (RuleName.NEW_ACTOR, {("console for zoe", "wide-0", 1)}),
        (RuleName.KEY_SWEEP, {("worker", None, rules.SWEEP_KEYS + 5)}),
    ],
    ids=lambda value: str(value) if isinstance(value, RuleName) else "",
)
def test_many_entries_hide_no_anomaly(
    connection: Connection, rule: RuleName, expected: set[tuple[str, str | None, int]]
) -> None:
    anomalies = found(connection, rule)
    by_actor = {(str(each.actor), each.key_id, each.entry_count) for each in anomalies}
    assert expected <= by_actor
    assert all(1 <= len(each.entries) <= rules.MOST_ENTRIES for each in anomalies)
    if rule is not RuleName.NEW_ACTOR:  # the logins are new on the keys that they use
        assert by_actor == expected


def test_no_query_ends_before_its_last_row() -> None:
    queries = REPOSITORY / "kms_schema" / "audit" / "anomalies" / "queries"
    texts = {name: (queries / f"{name}.sql").read_text(encoding="utf-8") for name in QUERIES.names}
    assert [name for name in QUERIES.names if "\nLIMIT" in texts[name]] == []


@pytest.mark.parametrize("rule", [RuleName.FORGED_ENTRY, RuleName.NEW_ACTOR, RuleName.KEY_SWEEP], ids=str)
def test_more_than_can_be_kept_is_an_error_and_not_cut(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, rule: RuleName
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(rules, "MOST_KEPT", 1)
        with pytest.raises(TrailError, match=r"have more than 1 .* to compare: give a later time"):
            found(connection, rule)
    assert found(connection, rule), "the connection is free again"


def test_it_is_no_error_once_as_many_are_found_as_are_returned(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST_KEPT", 1)
    monkeypatch.setattr(rules, "MOST_ANOMALIES", 1)
    assert [(each.actor, each.entry_count) for each in found(connection, RuleName.FORGED_ENTRY)] == [("mallory", FLOOD)]
