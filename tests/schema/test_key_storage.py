"""Values of each type that columns accept and refuse, and those that the database sets.

SQLite does not enforce types, so each column has a CHECK of its type there. `test_refusals.py` has a value that each of
them refuses.
"""

import datetime as dt
import sqlite3
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from support.rows.evidence import LEAVES, SEALS, SUBTREES, page, seal
from support.rows.smallest import (
    Row,
    active_key_master,
    hsm_configuration,
    hsm_key_master,
    insert,
    key_master,
    key_version,
    now,
    rotation_policy,
)
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import (
    Forbidden,
    malformed,
    refuses_insert,
    refuses_update,
    update,
    value_of,
)

pytestmark = pytest.mark.versions("oldest and newest")

TIME = "2024-02-29T23:59:59.123456Z"
ID = "0190a5b0c0de7abc8def0123456789ab"
JSON_TEXT = '{"format": 1, "algorithm": "AES-256-GCM", "associated_data": "k"}'
BEYOND = ("infinity", "-infinity", "10000-01-01T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z BC")
ROWS: dict[str, Callable[[], Row]] = {
    "rotation_policies": rotation_policy,
    "hsm_configurations": hsm_configuration,
    LEAVES: page,
}
OF_EACH_TYPE = [
    ("rotation_policies", "id"),
    ("rotation_policies", "policy_name"),
    ("rotation_policies", "updated_at"),
    ("rotation_policies", "is_active"),
    ("rotation_policies", "max_operations"),
    ("rotation_policies", "rotation_interval_days"),
    ("rotation_policies", "notification_channels"),
    ("hsm_configurations", "authentication_config"),
    (LEAVES, "hashes"),
]
"""A column of each type: the CHECK of a type is the same for all."""


def base_master(**over: Any) -> Row:
    times = {"created_at": "2020-01-01T00:00:00.000000Z", "activated_at": "2020-01-02T00:00:00.000000Z"}
    return hsm_key_master(**{"status": "active", **times, **over})


def base_version(master: Row, **over: Any) -> Row:
    times = {
        "created_at": "2020-01-01T00:00:00.000000Z",
        "activated_at": "2020-01-02T00:00:00.000000Z",
        "deactivated_at": "2025-01-02T00:00:00.000000Z",
    }
    return key_version(master, **{**times, **over})


def test_values_of_the_type_of_a_column_are_stored(shared: SharedDatabase) -> None:
    key = base_master(
        id=uuid.UUID(ID), key_size_bits=2**31 - 1, usage_count=10**15, created_at=TIME, hsm_metadata=JSON_TEXT
    )
    insert(shared.connection, "key_masters", **key)
    columns = "key_size_bits, usage_count, key_id, algorithm"
    statement = f"SELECT {columns} FROM key_masters WHERE created_at = :time"  # noqa: S608
    found = execute(shared.connection, statement, {"time": TIME}).fetchall()
    assert found == [(2**31 - 1, 10**15, key["key_id"], key["algorithm"])]
    version = insert(shared.connection, "key_versions", **base_version(key, entropy_score=99))
    score = value_of(shared.connection, "key_versions", version, "entropy_score")
    assert isinstance(score, float)
    assert score == 99


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(("table", "column"), OF_EACH_TYPE)
def test_a_value_of_another_type_is_refused(shared: SharedDatabase, table: str, column: str) -> None:
    if table == LEAVES:
        insert(shared.connection, SEALS, **seal(tree_size=3))
    for forbidden in malformed(table, column):
        refuses_insert(shared.connection, table, ROWS[table](), forbidden)
        if table != LEAVES and column != "id":  # those never change
            row = insert(shared.connection, table, **ROWS[table]())
            refuses_update(shared.connection, table, row, forbidden)


@pytest.mark.parametrize("time", BEYOND)
def test_a_time_beyond_the_calendar_is_refused(shared: SharedDatabase, time: str) -> None:
    connection = shared.connection
    key = insert(connection, "key_masters", **active_key_master())
    refuses_insert(connection, "key_masters", key_master(), Forbidden({"created_at": time}, "created_at_type"))
    refuses_update(connection, "key_masters", key, Forbidden({"activated_at": time}, "activated_at_type"))
    version = insert(connection, "key_versions", **key_version(key))
    refuses_update(connection, "key_versions", version, Forbidden({"activated_at": time}, ""))


def test_the_last_microsecond_of_the_year_9999_is_a_time(shared: SharedDatabase) -> None:
    last = dt.datetime.max.replace(tzinfo=dt.UTC)
    insert(shared.connection, "key_masters", **key_master(expires_at=last))
    insert(shared.connection, "rotation_policies", **rotation_policy(created_at=dt.datetime(1000, 1, 1, tzinfo=dt.UTC)))
    for view in ("key_health_monitor", "key_management_dashboard", "rotations_due"):
        if shared.dialect == "postgresql" and view != "rotations_due":
            execute(shared.connection, f"REFRESH MATERIALIZED VIEW {view}")
        execute(shared.connection, f"SELECT * FROM {view}").fetchall()  # noqa: S608


@pytest.mark.parametrize(
    ("table", "made", "column", "values"),
    [
        ("key_masters", key_master, "status_reason", ("reviewed", "imported")),
        ("rotation_policies", rotation_policy, "max_operations", (7, 8)),
        ("hsm_configurations", hsm_configuration, "health_status", ("OFFLINE", "HEALTHY")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_updated_at_is_the_time_of_the_last_change_unless_another_is_given(
    shared: SharedDatabase, table: str, made: Callable[..., Row], column: str, values: tuple[Any, Any]
) -> None:
    row = insert(shared.connection, table, **made(updated_at=now().replace(year=2020)))
    before = value_of(shared.connection, table, row, "updated_at")
    update(shared.connection, table, row, **{column: values[0]})
    assert value_of(shared.connection, table, row, "updated_at") > before
    update(shared.connection, table, row, **{column: values[1]}, updated_at=now().replace(year=2021))
    assert "2021" in str(value_of(shared.connection, table, row, "updated_at"))


@pytest.mark.parametrize("table", ["key_masters", "key_versions", SEALS, LEAVES, SUBTREES])
def test_a_row_has_no_other_name_than_its_id(shared: SharedDatabase, table: str) -> None:
    """REPLACE through the `rowid` of an ordinary SQLite table would bypass every guard trigger."""
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedColumn), match="rowid"):
        shared.connection.execute(f"SELECT rowid FROM {table}")  # type: ignore[arg-type]  # noqa: S608


def test_ids_that_the_database_makes_are_ordered_by_time(shared: SharedDatabase) -> None:
    for table in ("key_masters", "key_versions"):
        made = []
        for _ in range(5):
            row = key_master()
            if table == "key_versions":
                row = key_version(insert(shared.connection, "key_masters", **row))
            del row["id"]
            insert(shared.connection, table, **row)
            found = execute(
                shared.connection,
                f"SELECT id FROM {table} WHERE key_id = :key_id",  # noqa: S608
                {"key_id": row["key_id"]},
            ).fetchone()[0]
            made.append(uuid.UUID(str(found)))
            time.sleep(0.003)  # the order is by milliseconds
        assert made == sorted(made)
        assert {(made_id.version, made_id.variant) for made_id in made} == {(7, uuid.RFC_4122)}
        milliseconds = made[-1].int >> 80
        assert abs(milliseconds / 1000 - time.time()) < 60
