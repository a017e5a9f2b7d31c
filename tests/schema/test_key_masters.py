"""The rules of one key: words, sizes, times, custody, what never changes, parents, and what keeps it from going."""

import datetime as dt
import uuid
from enum import StrEnum
from typing import Any

import pytest

from kms_schema.vocabulary import HsmProvider, KeySecurityLevel, KeyType
from support.rows.smallest import (
    Row,
    audit_entry,
    hsm_key_master,
    insert,
    key_master,
    key_rotation,
    key_version,
    now,
)
from support.shared import SharedDatabase
from support.statements import execute, refused
from tests.schema.key_rules import (
    delete_refused,
    insert_refused,
    is_recent,
    same,
    stored,
    update,
    update_refused,
    value,
)

pytestmark = pytest.mark.versions("oldest and newest")

NOW = now()
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


@pytest.mark.parametrize(
    "change",
    [
        {"id": uuid.uuid4()},
        {"key_id": "another"},
        {"key_type": "kek"},
        {"algorithm": "AES-128"},
        {"key_size_bits": 128},
        {"created_at": NOW - DAY},
    ],
    ids=lambda change: next(iter(change)),
)
def test_identity_columns_of_a_key_never_change(shared: SharedDatabase, change: Row) -> None:
    key = insert(shared.connection, "key_masters", **key_master(created_at=NOW))
    error = update_refused(shared.connection, "key_masters", key, change, rule="protect_key_master_identity")
    column = next(iter(change))
    assert f"{column} may not change" in str(error)
    update(shared.connection, "key_masters", key, **{column: key[column]})


def test_usage_never_falls(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master(usage_count=5))
    rule = "prevent_key_master_counter_decrease"
    update_refused(shared.connection, "key_masters", key, {"usage_count": 4}, rule=rule)
    update_refused(shared.connection, "key_masters", key, {"usage_count": -1}, rule=rule)
    update(shared.connection, "key_masters", key, usage_count=5)
    update(shared.connection, "key_masters", key, usage_count=6)


def test_a_key_of_type_hsm_stays_in_its_hsm(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **hsm_key_master())
    freed = {"hsm_provider": None, "hsm_key_id": None}
    update_refused(shared.connection, "key_masters", key, freed, rule="ck_key_masters_hsm_type_is_hsm_held")
    other = insert(shared.connection, "key_masters", **hsm_key_master(key_type="kek"))
    update(shared.connection, "key_masters", other, **freed)


def test_a_key_with_material_moves_neither_into_nor_out_of_an_hsm(shared: SharedDatabase) -> None:
    freed = {"hsm_provider": None, "hsm_key_id": None}
    for key, change in ((key_master(), HSM), (hsm_key_master(key_type="dek"), freed)):
        insert(shared.connection, "key_masters", **key)
        version = insert(shared.connection, "key_versions", **key_version(key))
        update_refused(shared.connection, "key_masters", key, change, rule="validate_key_master_custody")
        gone = {"encrypted_key_data": None, "hsm_key_id": None, "destroyed_at": now() + DAY}
        update(shared.connection, "key_versions", version, **gone)
        update(shared.connection, "key_masters", key, **change)


def test_updated_at_is_the_time_of_the_last_change_unless_another_is_given(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master(updated_at=NOW - DAY))
    update(shared.connection, "key_masters", key, status_reason="looked at")
    assert is_recent(shared.connection, value(shared.connection, "key_masters", key, "updated_at"))
    update(shared.connection, "key_masters", key, status_reason="imported", updated_at=NOW - 2 * DAY)
    assert same(shared.connection, value(shared.connection, "key_masters", key, "updated_at"), NOW - 2 * DAY)


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


def test_a_key_is_not_its_own_parent(shared: SharedDatabase) -> None:
    rule = "ck_key_masters_parent_is_another_key"
    new = key_master(key_type="kek", key_id="narcissus", parent_key_id="narcissus")
    insert_refused(shared.connection, "key_masters", new, rule=rule)
    (key,) = family(shared, 1)
    update_refused(shared.connection, "key_masters", key, {"parent_key_id": key["key_id"]}, rule=rule)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_no_chain_of_parents_closes_a_circle(shared: SharedDatabase, size: int) -> None:
    keys = family(shared, size)
    (unrelated,) = family(shared, 1)
    for later in keys[1:]:
        change = {"parent_key_id": later["key_id"]}
        update_refused(shared.connection, "key_masters", keys[0], change, rule="validate_key_master_parent")
    update(shared.connection, "key_masters", keys[0], parent_key_id=unrelated["key_id"])
    update(shared.connection, "key_masters", keys[-1], parent_key_id=unrelated["key_id"])
    update(shared.connection, "key_masters", keys[0], parent_key_id=None)


def test_a_key_without_history_can_be_deleted(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    execute(shared.connection, "DELETE FROM key_masters WHERE id = :id", {"id": key["id"]})
    assert stored(shared.connection, "key_masters", key) is None


def test_a_key_with_history_cannot_be_deleted(shared: SharedDatabase) -> None:
    audited, rotated, parent, wrapping, wrapped = (
        insert(shared.connection, "key_masters", **key_master(key_type="kek")) for _ in range(5)
    )
    insert(shared.connection, "key_audit_logs", **audit_entry(key_id=audited["id"]))
    insert(shared.connection, "key_rotations", **key_rotation(rotated))
    insert(shared.connection, "key_masters", **key_master(parent_key_id=parent["key_id"]))
    wrapper = insert(shared.connection, "key_versions", **key_version(wrapping))
    insert(shared.connection, "key_versions", **key_version(wrapped, wrapped_by_version_id=wrapper["id"]))
    for key, rule in (
        (audited, "fk_key_audit_logs_key_id_key_masters"),
        (rotated, "fk_key_rotations_key_id_key_masters"),
        (parent, "fk_key_masters_parent_key_id_key_masters"),
        (wrapping, "fk_key_versions_wrapped_by_version_id_key_versions"),
    ):
        delete_refused(shared.connection, "key_masters", key, rule=rule)
    assert stored(shared.connection, "key_versions", wrapper) is not None


def test_the_registry_cannot_be_emptied_at_once(shared: SharedDatabase) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    insert(shared.connection, "key_rotations", **key_rotation(key))
    if shared.dialect == "postgresql":
        refused(shared.connection, "TRUNCATE key_masters", rule="foreign key constraint", sqlstate="0A000")
        refused(shared.connection, "TRUNCATE key_masters CASCADE", rule="prevent_key_", sqlstate="23001")
    else:  # what SQLite turns into a truncation where no trigger forbids it
        refused(shared.connection, "DELETE FROM key_masters", rule="fk_key_rotations_key_id_key_masters")
    assert stored(shared.connection, "key_masters", key) is not None
