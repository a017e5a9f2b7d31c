"""The handle of a version in an HSM: of its own, never changed, and cleared by destruction."""

import datetime as dt
from typing import Any

import pytest

from support.rows.smallest import Row, hsm_key_master, insert, key_master, key_version, now
from support.shared import SharedDatabase
from tests.schema.key_rules import insert_refused, update, update_refused

pytestmark = pytest.mark.versions("oldest and newest")

RULE = "validate_key_version_material"


def stored_version(shared: SharedDatabase, master: Row, **over: Any) -> Row:
    return insert(shared.connection, "key_versions", **key_version(master, **over))


def test_each_version_of_a_key_in_an_hsm_has_a_handle_of_its_own(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    held = insert(shared.connection, "key_masters", **hsm_key_master())
    first = stored_version(shared, held, created_at=now() - dt.timedelta(days=1), hsm_key_id="object-1")
    for refused in (
        key_version(held, version_number=2, hsm_key_id=None),
        key_version(held, version_number=2, hsm_key_id="object-1"),
        key_version(key, hsm_key_id="object-2"),
        key_version(key, hsm_key_id="object-2", **{**dict.fromkeys(("encrypted_key_data", "wrapping_key_ref"))}),
    ):
        insert_refused(shared.connection, "key_versions", refused, rule=RULE)
    for change in ({"hsm_key_id": "object-2"}, {"hsm_key_id": None}):
        update_refused(shared.connection, "key_versions", first, change, rule=RULE)
    still_there = "ck_key_versions_destroyed_has_no_material"
    update_refused(shared.connection, "key_versions", first, {"destroyed_at": now()}, rule=still_there)
    update(shared.connection, "key_versions", first, destroyed_at=now(), hsm_key_id=None)
    update_refused(shared.connection, "key_versions", first, {"hsm_key_id": "object-1"}, rule=RULE)
    stored_version(shared, held, version_number=2, hsm_key_id="object-1")
