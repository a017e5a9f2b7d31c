"""The queue of rotations asks for no right that kms_rotator does not have; who is not one gets nothing of it."""

import datetime as dt
import uuid

import psycopg
import pytest

from kms_schema.roles.definition import Role
from kms_schema.rotations import open_queue
from support.rows import smallest
from support.statements import execute
from tests.roles.granted import Granted
from tests.rotations.setups import a_key, a_policy, a_rotation, expire

pytestmark = pytest.mark.only_on("postgresql")


def test_a_rotation_from_what_is_due_to_a_retry_as_kms_rotator_alone(granted: Granted) -> None:
    a_policy(granted.superuser, max_operations=5)
    key = a_key(granted.superuser)
    execute(granted.superuser, "ALTER TABLE key_versions DISABLE TRIGGER USER")
    execute(
        granted.superuser,
        "UPDATE key_versions SET key_type = NULL, usage_index_bound = NULL, volume_index_bound = NULL",
    )
    execute(granted.superuser, "ALTER TABLE key_versions ENABLE TRIGGER USER")
    with granted.session(Role.ROTATOR) as connection:
        queue = open_queue(connection)
        assert [row["key_id"] for row in queue.due()] == [key["key_id"]]
        assert queue.schedule_due().looked_at == 1
        claim = queue.claim("worker-1")
        assert claim is not None
        claim = queue.renew(claim, dt.timedelta(hours=1))
        queue.fail(claim, "no quorum")
        execute(granted.superuser, "UPDATE key_rotations SET next_retry_at = now() - interval '1 s'")
        assert queue.schedule_due().retried == 1
        lost = queue.claim("worker-1")
        assert lost is not None
        expire(granted.superuser, lost.id)
        taken = queue.claim("worker-2")
        assert taken is not None
        queue.complete(taken)
        assert queue.find(a_rotation_of(granted), "worker-3#1").claimed_by == "worker-3#1"
        a_policy(granted.superuser, max_operations=3)
        assert queue.backfill() == 2, "a new limit is below the index bounds"
        assert queue.backfill() == 0


def a_rotation_of(granted: Granted) -> uuid.UUID:
    times: smallest.Row = {"started_at": smallest.now(), "lease_expires_at": smallest.now() + dt.timedelta(hours=1)}
    rotation = a_rotation(granted.superuser, status="RUNNING", claimed_by="worker-3#1", **times)
    identity: uuid.UUID = rotation["id"]
    return identity


@pytest.mark.parametrize("role", [Role.APP, Role.ADMIN, Role.AUDITOR])
def test_no_other_role_claims(granted: Granted, role: Role) -> None:
    a_rotation(granted.superuser)
    with granted.session(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        open_queue(connection).claim("worker-1")


@pytest.mark.parametrize("role", [Role.ROTATOR, Role.AUDITOR])
def test_a_rotator_and_an_auditor_list_rotations(granted: Granted, role: Role) -> None:
    key = a_key(granted.superuser)
    a_rotation(granted.superuser, key)
    with granted.session(role) as connection:
        queue = open_queue(connection)
        assert key["key_id"] in [each.key_id for each in queue.rotations(status="SCHEDULED")]
        assert queue.pending() == []
