"""The rows that other tests start from are accepted as they are."""

from tests import rows
from tests.rows import insert
from tests.shared import SharedDatabase
from tests.statements import execute


def test_every_builder_makes_a_row_that_is_accepted(shared: SharedDatabase) -> None:
    connection = shared.connection
    pending = insert(connection, "key_masters", **rows.key_master())
    held = insert(connection, "key_masters", **rows.hsm_key_master())
    active = insert(connection, "key_masters", **rows.active_key_master(parent_key_id=held["key_id"]))
    wrapping = insert(connection, "key_masters", **rows.active_key_master(key_type="kek"))
    wrapper = insert(connection, "key_versions", **rows.live_key_version(wrapping))
    insert(connection, "key_versions", **rows.key_version(pending))
    insert(connection, "key_versions", **rows.key_version(held))
    insert(connection, "key_versions", **rows.live_key_version(active, wrapped_by_version_id=wrapper["id"]))
    policy = insert(connection, "rotation_policies", **rows.rotation_policy())
    insert(connection, "key_rotations", **rows.key_rotation(active, policy_id=policy["id"]))
    insert(connection, "hsm_configurations", **rows.hsm_configuration())
    insert(connection, "hsm_configurations", **rows.hsm_configuration(authentication_config=rows.envelope(256)))
    insert(connection, "key_audit_logs", **rows.audit_entry(key_id=active["id"], additional_metadata={"a": 1}))
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
