"""The databases that benchmarks measure in: what is in them, that it breaks no rule, and that they go again."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.audit_history import entries
from benchmarks.data.size import Size
from benchmarks.places import AT_004, Options, Places
from benchmarks.scales import SCALES
from kms_schema.audit import open_trail, sealing_status
from support.engines import Engine
from support.engines.database import Connection
from support.statements import execute
from support.violations.violation import violating
from tests.audit.trails import verified

TINY = SCALES["tiny"]


@pytest.fixture
def places(engine: Engine) -> Iterator[Places]:
    with closing(Places(engine, Options(TINY, 1))) as made:
        yield made


def count(connection: Connection, what: str) -> int:
    ((found,),) = execute(connection, f"SELECT count(*) FROM {what}").fetchall()  # noqa: S608
    assert isinstance(found, int)
    return found


def test_loaded_rows_violate_no_rule_and_are_sealed_at_head(places: Places) -> None:
    with closing(places.prepared(TINY.longest, AT_004).connect()) as connection:
        assert violating(connection) == []
        assert count(connection, "key_audit_logs") == 1 + TINY.longest.events
        assert count(connection, "key_masters") == TINY.keys
        found = execute(connection, "SELECT DISTINCT status FROM key_rotations").fetchall()
        assert {"COMPLETED", "FAILED"} <= {status for (status,) in found}
    with closing(places.prepared(TINY.longest).connect()) as connection:
        verdict = verified(connection)
        assert verdict.sound
        assert verdict.entries == count(connection, "key_audit_logs") == 1 + TINY.longest.events
        assert count(connection, "key_management_dashboard") > 10


def test_the_requested_number_of_keys_is_due(places: Places) -> None:
    for keys in (60, 120):
        with closing(places.prepared(Size(0, keys, (1, 2), due=10)).connect()) as connection:
            found = execute(connection, "SELECT reason FROM rotations_due").fetchall()
            assert sorted(reason for (reason,) in found) == sorted(["time", "age", "usage", "volume", "expiry"] * 2)


def test_a_database_is_made_once_and_copies_of_it_are_to_write_to(places: Places) -> None:
    prepared = places.prepared(TINY.longest)
    assert places.prepared(TINY.longest) is prepared
    made = places.count
    with places.copies([TINY.longest]) as (copy,):
        assert copy.name != prepared.name
        with closing(copy.connect()) as connection:
            execute(connection, entries(connection, 25))
            with open_trail(connection).reading() as trail:
                assert sealing_status(trail).unsealed == 25
        with closing(prepared.connect()) as connection:
            assert count(connection, "key_audit_logs") == 1 + TINY.longest.events
        assert copy in places.made
    assert copy not in places.made
    assert places.count == made + 1


def test_loading_entries_keeps_the_guard_triggers_of_the_log(places: Places) -> None:
    with places.copies([TINY.longest]) as (copy,), closing(copy.connect()) as connection:
        with pytest.raises(Exception, match="prevent_key_audit_log_update"):
            execute(connection, "UPDATE key_audit_logs SET risk_score = 1 WHERE risk_score = 0")
        with pytest.raises(Exception, match="guard_key_audit_log_insert"):
            execute(
                connection,
                "INSERT INTO key_audit_logs (event_type, event_category, event_description, sequence)"
                " VALUES ('A', 'SECURITY', 'with a sequence of its own', 7)",
            )


def test_whatever_was_made_is_dropped(engine: Engine) -> None:
    places = Places(engine, Options(TINY, 1))
    database = places.prepared(Size(0, 50))
    assert len(places.made) == 2, "at 004, and at head"
    places.close()
    assert places.made == []
    if database.dialect == "sqlite":
        return
    other = engine.create()
    with closing(other.connect()) as connection:
        assert count(connection, f"pg_database WHERE datname = '{database.name}'") == 0
    engine.drop(other)
