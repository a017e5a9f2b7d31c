"""The view of who is still wrapped by what: every wrapper with the number of those under it, found by index."""

from typing import Any

import pytest

from support.rows.smallest import (
    Row,
    active_key_master,
    envelope,
    hsm_configuration,
    insert,
    key_version,
    live_key_version,
    now,
)
from support.shared import SharedDatabase
from support.statements import execute

pytestmark = pytest.mark.versions("oldest and newest")

COUNTS = "dependent_versions, dependent_configurations"


def kek(connection: Any) -> tuple[Row, Row]:
    master = insert(connection, "key_masters", **active_key_master(key_type="kek"))
    return master, insert(connection, "key_versions", **live_key_version(master))


def under(connection: Any, where: str, **parameters: Any) -> list[tuple[Any, ...]]:
    query = f"SELECT state, {COUNTS} FROM key_wrapping_dependents WHERE {where}"  # noqa: S608
    return [tuple(row) for row in execute(connection, query, parameters).fetchall()]


def test_a_kek_has_those_directly_under_it_until_they_are_rewrapped_or_destroyed(shared: SharedDatabase) -> None:
    connection = shared.connection
    master, version = kek(connection)
    where = "key_id = :key_id AND version_number = 1"
    assert under(connection, where, key_id=master["key_id"]) == [("live", 0, 0)]
    rows = []
    for _ in range(3):
        dek = insert(connection, "key_masters", **active_key_master())
        over = {"wrapped_by_version_id": version["id"], "wrapping_key_ref": None}
        rows.append(insert(connection, "key_versions", **key_version(dek, **over)))
    assert under(connection, where, key_id=master["key_id"]) == [("live", 3, 0)]
    assert under(connection, "wrapped_by_version_id = :id", id=version["id"]) == [("live", 3, 0)]
    moved = {"id": rows[0]["id"], "blob": envelope(256)}
    execute(
        connection,
        "UPDATE key_versions SET encrypted_key_data = :blob, wrapped_by_version_id = NULL, wrapping_key_ref = 'r'"
        " WHERE id = :id",
        moved,
    )
    gone = "UPDATE key_versions SET encrypted_key_data = NULL, destroyed_at = :now WHERE id = :id"
    execute(connection, gone, {"id": rows[1]["id"], "now": now()})
    assert under(connection, where, key_id=master["key_id"]) == [("live", 1, 0)]
    assert under(connection, "wrapping_key_ref = 'r'") == [(None, 1, 0)]


def test_every_state_of_a_kek_is_reported(shared: SharedDatabase) -> None:
    connection = shared.connection
    master = insert(connection, "key_masters", **active_key_master(key_type="kek"))
    at = now()
    insert(
        connection,
        "key_versions",
        **key_version(master, version_number=1, encrypted_key_data=None, destroyed_at=at, created_at=at),
    )
    ended = live_key_version(master, version_number=2, deactivated_at=at, created_at=at, activated_at=at)
    insert(connection, "key_versions", **ended)
    insert(connection, "key_versions", **live_key_version(master, version_number=3))
    insert(connection, "key_versions", **key_version(master, version_number=4))
    query = "SELECT version_number, state FROM key_wrapping_dependents WHERE key_id = :key_id ORDER BY 1"
    found = execute(connection, query, {"key_id": master["key_id"]}).fetchall()
    assert [tuple(row) for row in found] == [(1, "destroyed"), (2, "deactivated"), (3, "live"), (4, "pending")]


def test_a_root_key_has_versions_and_credentials_and_those_that_name_none_are_a_row(shared: SharedDatabase) -> None:
    connection = shared.connection
    dek = insert(connection, "key_masters", **active_key_master())
    insert(connection, "key_versions", **key_version(dek, wrapping_key_ref="kms://a"))
    for reference in ("kms://a", "kms://a", "kms://b", None):
        stored = {"authentication_config": envelope(64), "wrapping_key_ref": reference}
        insert(connection, "hsm_configurations", **hsm_configuration(**stored))
    insert(connection, "hsm_configurations", **hsm_configuration())
    assert under(connection, "wrapping_key_ref = 'kms://a'") == [(None, 1, 2)]
    assert under(connection, "wrapping_key_ref = 'kms://b'") == [(None, 0, 1)]
    assert under(connection, "wrapping_key_ref IS NULL AND wrapped_by_version_id IS NULL") == [(None, 0, 1)]


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("wrapped_by_version_id = '{id}'", "idx_key_versions_wrapped_by_version_id"),
        ("wrapping_key_ref = 'kms://a'", "idx_key_versions_wrapping_key_ref"),
    ],
    ids=["of a kek", "of a root key"],
)
def test_one_wrapper_is_looked_up_by_index(shared: SharedDatabase, where: str, index: str) -> None:
    connection = shared.connection
    _, version = kek(connection)
    if shared.dialect == "postgresql":
        execute(connection, "SET LOCAL enable_seqscan = off")
    identity = str(version["id"]) if shared.dialect == "postgresql" else version["id"].hex
    explain = "EXPLAIN QUERY PLAN" if shared.dialect == "sqlite" else "EXPLAIN"
    query = f"{explain} SELECT {COUNTS} FROM key_wrapping_dependents WHERE {where.format(id=identity)}"  # noqa: S608
    plan = "\n".join(str(row) for row in execute(connection, query).fetchall())
    assert index in plan
    assert "Seq Scan on key_versions" not in plan
