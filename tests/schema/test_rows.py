"""The rows that other tests start from are accepted as they are."""

from support.rows import smallest
from support.rows.smallest import insert
from support.shared import SharedDatabase
from support.statements import execute


def test_every_builder_makes_a_row_that_is_accepted(shared: SharedDatabase) -> None:
    connection = shared.connection
    pending = insert(connection, "key_masters", **smallest.key_master())
    held = insert(connection, "key_masters", **smallest.hsm_key_master())
    active = insert(connection, "key_masters", **smallest.active_key_master(parent_key_id=held["key_id"]))
    wrapping = insert(connection, "key_masters", **smallest.active_key_master(key_type="kek"))
    wrapper = insert(connection, "key_versions", **smallest.live_key_version(wrapping))
    insert(connection, "key_versions", **smallest.key_version(pending))
    insert(connection, "key_versions", **smallest.key_version(held))
    insert(connection, "key_versions", **smallest.live_key_version(active, wrapped_by_version_id=wrapper["id"]))
    policy = insert(connection, "rotation_policies", **smallest.rotation_policy())
    insert(connection, "key_rotations", **smallest.key_rotation(active, policy_id=policy["id"]))
    insert(connection, "hsm_configurations", **smallest.hsm_configuration())
    insert(connection, "hsm_configurations", **smallest.hsm_configuration(authentication_config=smallest.envelope(256)))
    insert(connection, "key_audit_logs", **smallest.audit_entry(key_id=active["id"], additional_metadata={"a": 1}))
    counts = {
        table: execute(connection, f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        for table in ("key_masters", "key_versions", "rotation_policies", "key_rotations", "hsm_configurations")
    }
    assert counts == {
        "key_masters": 4,
        "key_versions": 4,
        "rotation_policies": 1,
        "key_rotations": 1,
        "hsm_configurations": 2,
    }
