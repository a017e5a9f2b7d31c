"""Times of all tables are finite and in the years 1 to 9999, on both engines and under the same name."""

import datetime as dt
from collections.abc import Callable

import pytest

from kms_schema.models import Base, UtcTimestamp
from support.rows.smallest import (
    Row,
    active_key_master,
    hsm_configuration,
    insert,
    key_master,
    key_rotation,
    key_version,
    live_key_version,
    rotation_policy,
)
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import Forbidden, refuses_insert, refuses_update

pytestmark = pytest.mark.versions("oldest and newest")

ROWS: dict[str, Callable[[Row], Row]] = {
    "key_masters": lambda _: active_key_master(),
    "key_versions": live_key_version,
    "rotation_policies": lambda _: rotation_policy(),
    "key_rotations": key_rotation,
    "hsm_configurations": lambda _: hsm_configuration(),
}
TIMES = [
    (table, column.name)
    for table in ROWS
    for column in Base.metadata.tables[table].columns
    if isinstance(column.type, UtcTimestamp)
]
BEYOND = ("infinity", "-infinity", "10000-01-01T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z BC")


@pytest.mark.parametrize(("table", "column"), TIMES)
def test_a_time_beyond_the_calendar_is_refused(shared: SharedDatabase, table: str, column: str) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    for time in BEYOND:
        refuses_insert(shared.connection, table, ROWS[table](key), Forbidden({column: time}, ""))


@pytest.mark.parametrize("time", BEYOND)
def test_no_change_makes_a_time_endless(shared: SharedDatabase, time: str) -> None:
    key = insert(shared.connection, "key_masters", **active_key_master())
    refuses_update(shared.connection, "key_masters", key, Forbidden({"activated_at": time}, "activated_at_type"))
    version = insert(shared.connection, "key_versions", **key_version(key))
    refuses_update(shared.connection, "key_versions", version, Forbidden({"activated_at": time}, ""))
    hsm = insert(shared.connection, "hsm_configurations", **hsm_configuration())
    refuses_update(shared.connection, "hsm_configurations", hsm, Forbidden({"updated_at": time}, "updated_at_type"))


def test_the_last_microsecond_of_the_year_9999_is_a_time(shared: SharedDatabase) -> None:
    last = dt.datetime.max.replace(tzinfo=dt.UTC)
    insert(shared.connection, "key_masters", **key_master(expires_at=last))
    insert(shared.connection, "rotation_policies", **rotation_policy(created_at=dt.datetime(1000, 1, 1, tzinfo=dt.UTC)))
    for view in ("key_health_monitor", "key_management_dashboard", "rotations_due"):
        if shared.dialect == "postgresql" and view != "rotations_due":
            execute(shared.connection, f"REFRESH MATERIALIZED VIEW {view}")
        execute(shared.connection, f"SELECT * FROM {view}").fetchall()  # noqa: S608
