"""Numbers of versions: the next rotation must find one that is free."""

import pytest

from support.rows.smallest import Row, active_key_master, insert, key_version
from support.shared import SharedDatabase
from support.statements import execute
from tests.schema.key_rules import insert_refused

pytestmark = pytest.mark.versions("oldest and newest")


def stored_key(shared: SharedDatabase) -> Row:
    return insert(shared.connection, "key_masters", **active_key_master())


def stored_version(shared: SharedDatabase, key: Row, number: int) -> None:
    insert(shared.connection, "key_versions", **key_version(key, version_number=number))


@pytest.mark.parametrize("number", [104, 10**6, 2**31 - 1])
def test_no_number_is_far_above_the_highest(shared: SharedDatabase, number: int) -> None:
    key, rule = stored_key(shared), "validate_key_version_chronology"
    stored_version(shared, key, 3)
    insert_refused(shared.connection, "key_versions", key_version(key, version_number=number), rule=rule)
    stored_version(shared, key, 103)
    stored_version(shared, key, 2)
    other = stored_key(shared)
    insert_refused(shared.connection, "key_versions", key_version(other, version_number=10**6 + 1), rule=rule)
    stored_version(shared, other, 10**6)  # an import begins with the newest
    stored_version(shared, other, 1)


@pytest.mark.only_on("postgresql")
def test_a_restore_takes_versions_in_any_order(shared: SharedDatabase) -> None:
    key = stored_key(shared)
    stored_version(shared, key, 1)
    execute(shared.connection, "SET LOCAL kms.restore = on")
    stored_version(shared, key, 5000)
