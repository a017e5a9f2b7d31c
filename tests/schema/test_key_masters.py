"""The rules of one key: words, custody, parents, and what keeps it from going; `test_refusals.py` has the others."""

import datetime as dt
from enum import StrEnum
from typing import Any

import pytest

from kms_schema.vocabulary import HsmProvider, KeySecurityLevel, KeyType
from support.rows.smallest import (
    Row,
    hsm_key_master,
    insert,
    key_master,
    key_version,
    now,
)
from support.shared import SharedDatabase
from support.statements import execute
from tests.schema.key_rules import (
    insert_refused,
    stored,
    update,
    update_refused,
)

pytestmark = pytest.mark.versions("oldest and newest")

DAY = dt.timedelta(days=1)
HSM: Row = {"hsm_provider": "pkcs11", "hsm_key_id": "slot-1"}


def name_of(parameter: Any) -> str | None:
    return parameter if isinstance(parameter, str) else None


@pytest.mark.parametrize(
    ("column", "words"),
    [("key_type", KeyType), ("security_level", KeySecurityLevel), ("hsm_provider", HsmProvider)],
    ids=name_of,
)
def test_every_word_of_a_vocabulary_is_accepted(shared: SharedDatabase, column: str, words: type[StrEnum]) -> None:
    for word in words:
        insert(shared.connection, "key_masters", **hsm_key_master(**{column: str(word)}))


def test_a_key_with_material_moves_neither_into_nor_out_of_an_hsm(shared: SharedDatabase) -> None:
    freed = {"hsm_provider": None, "hsm_key_id": None}
    for key, change in ((key_master(), HSM), (hsm_key_master(key_type="dek"), freed)):
        insert(shared.connection, "key_masters", **key)
        version = insert(shared.connection, "key_versions", **key_version(key))
        update_refused(shared.connection, "key_masters", key, change, rule="validate_key_master_custody")
        gone = {"encrypted_key_data": None, "hsm_key_id": None, "destroyed_at": now() + DAY}
        update(shared.connection, "key_versions", version, **gone)
        update(shared.connection, "key_masters", key, **change)


def family(shared: SharedDatabase, size: int) -> list[Row]:
    """Return keys that can be parents, each the child of the one before."""
    keys: list[Row] = []
    for _ in range(size):
        parent = keys[-1]["key_id"] if keys else None
        keys.append(insert(shared.connection, "key_masters", **key_master(key_type="kek", parent_key_id=parent)))
    return keys


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_parent_is_a_kek_or_hsm_key(shared: SharedDatabase, key_type: KeyType) -> None:
    parent = insert(shared.connection, "key_masters", **hsm_key_master(key_type=str(key_type)))
    orphan = insert(shared.connection, "key_masters", **key_master())
    child, change = key_master(parent_key_id=parent["key_id"]), {"parent_key_id": parent["key_id"]}
    if key_type in {KeyType.KEK, KeyType.HSM}:
        insert(shared.connection, "key_masters", **child)
        update(shared.connection, "key_masters", orphan, **change)
        return
    rule = "validate_key_master_parent"
    insert_refused(shared.connection, "key_masters", child, rule=rule)
    update_refused(shared.connection, "key_masters", orphan, change, rule=rule)


def test_no_chain_of_parents_closes_a_circle(shared: SharedDatabase) -> None:
    keys = family(shared, 5)
    (unrelated,) = family(shared, 1)
    for later in keys[1:]:
        change = {"parent_key_id": later["key_id"]}
        update_refused(shared.connection, "key_masters", keys[0], change, rule="validate_key_master_parent")
    for key, parent in ((keys[0], unrelated["key_id"]), (keys[-1], unrelated["key_id"]), (keys[0], None)):
        update(shared.connection, "key_masters", key, parent_key_id=parent)


def test_a_key_without_history_can_be_deleted(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    execute(shared.connection, "DELETE FROM key_masters WHERE id = :id", {"id": key["id"]})
    assert stored(shared.connection, "key_masters", key) is None
