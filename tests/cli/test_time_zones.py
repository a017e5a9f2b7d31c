"""Every time that a row may have is shown, whatever the time zone of the sessions is."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from support.engines import Database
from support.engines.database import Connection
from support.programs.commands import kms_schema
from support.rows.smallest import active_key_master, insert, key_rotation, live_key_version, rotation_policy
from support.statements import execute

FIRST, LAST = "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"
ZONES = {"Asia/Tokyo": LAST, "America/Los_Angeles": FIRST}
"""Zones, each with a time that is in none of the years 1 to 9999 there."""


@pytest.fixture(params=ZONES)
def zone(database: Database, request: pytest.FixtureRequest) -> str:
    """The time zone that the sessions of the database have."""
    assert isinstance(request.param, str)
    if database.dialect == "postgresql":
        with closing(database.connect()) as connection:
            name = sa.make_url(database.url).database
            execute(connection, f"ALTER DATABASE {name} SET TimeZone = '{request.param}'")
    return request.param


def printed(database: Database, *words: str) -> Any:
    result = kms_schema(*words, "--format", "json", url=database.url)
    assert result.status == 0, result.err
    return json.loads(result.out)


def test_a_key_that_never_expires_is_listed_and_shown(database: Database, zone: str) -> None:
    with closing(database.connect()) as connection:
        times = {"expires_at": LAST} if ZONES[zone] == LAST else {"created_at": FIRST, "activated_at": FIRST}
        master = insert(connection, "key_masters", **active_key_master(**times))
        insert(connection, "key_masters", **active_key_master())
    [found] = [each for each in printed(database, "keys", "list") if each["key_id"] == master["key_id"]]
    column = "expires_at" if ZONES[zone] == LAST else "created_at"
    assert found[column] == printed(database, "keys", "show", master["key_id"])[column] == ZONES[zone]


def test_a_lease_without_end_is_listed(database: Database, zone: str) -> None:
    with closing(database.connect()) as connection:
        master = insert(connection, "key_masters", **active_key_master())
        times = {"started_at": FIRST, "lease_expires_at": LAST, "scheduled_at": ZONES[zone]}
        rotation = {**key_rotation(master), "status": "RUNNING", "claimed_by": "worker", **times}
        insert(connection, "key_rotations", **rotation)
    [found] = printed(database, "rotations", "list")
    assert (found["scheduled_at"], found["lease_expires_at"]) == (ZONES[zone], LAST)


def by_time(connection: Connection) -> None:
    insert(connection, "key_masters", **active_key_master(rotated_at=LAST))


def by_age(connection: Connection) -> None:
    master = insert(connection, "key_masters", **active_key_master())
    times = {"created_at": LAST, "activated_at": LAST}
    insert(connection, "key_versions", **live_key_version(master, **times))


@pytest.mark.parametrize(
    ("column", "put"), [("rotation_interval_days", by_time), ("max_key_age_days", by_age)], ids=["time", "age"]
)
def test_a_key_that_is_due_after_the_last_year_stops_no_list(
    database: Database, column: str, put: Callable[[Connection], None]
) -> None:
    """On SQLite it had no time, and came before the keys that have one."""
    with closing(database.connect()) as connection:
        days = {"rotation_interval_days": None, "max_key_age_days": None, column: 90}
        insert(connection, "rotation_policies", **rotation_policy(**days))
        put(connection)
        document = printed(database, "rotations", "due")
        assert document["next"]["due_at"] == LAST
        near = insert(connection, "key_masters", **active_key_master())
        insert(connection, "key_versions", **live_key_version(near))
    assert printed(database, "rotations", "due")["next"]["key_id"] == near["key_id"]
