"""A login that counts uses stops no key in silence: a jump of the counters is an incident, and a rotation ends it."""

import datetime as dt
import json
from contextlib import closing

import pytest

from kms_schema.audit import find_anomalies
from kms_schema.keyring import KeyRing, UsageLimitError
from kms_schema.roles.definition import Role
from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from support.statements import execute
from tests.keyring.rings import AAD, DATA
from tests.roles.granted import Granted
from tests.rotations.setups import a_policy, queue_of

STEP = 2**24
"""As much as one statement may add."""
OF_KEY = "WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :key)"


def test_a_login_that_uses_up_a_key_is_found_and_a_rotation_repairs_it(
    ring: KeyRing, kek: str, database: Database, request: pytest.FixtureRequest
) -> None:
    orders = unique("orders")
    ring.create(orders, under=kek, max_usage_count=2 * STEP)
    jump = f"UPDATE key_versions SET usage_count = usage_count + {STEP} {OF_KEY}"  # noqa: S608
    with closing(database.connect()) as connection:
        a_policy(connection, key_type="dek", rotation_interval_days=365, rotate_on_security_incident=True)
        if database.dialect == "postgresql":
            granted: Granted = request.getfixturevalue("granted")
            with granted.session(Role.APP) as session:
                execute(session, jump, {"key": orders})
                execute(session, jump, {"key": orders})
        else:
            execute(connection, jump, {"key": orders})
            execute(connection, jump, {"key": orders})
        with pytest.raises(UsageLimitError):
            ring.key(orders).encrypt(DATA, aad=AAD)

        (due,) = queue_of(connection).due()
        reasons = due["reasons"]
        assert (due["key_id"], due["reason"]) == (orders, "incident")
        assert (json.loads(reasons) if isinstance(reasons, str) else reasons) == ["incident", "usage"]
        anomalies = find_anomalies(connection, dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
        assert {(each.rule, each.key_id, each.entry_count) for each in anomalies} == {("count-jump", orders, 2)}
        listed = kms_schema("audit", "anomalies", url=database.url)
        assert (listed.status, " HIGH count-jump: " in listed.out) == (1, True)
        checked = kms_schema("check", url=database.url)
        assert checked.status == 2
        assert "2 CRITICAL entries in the last hour (critical-entries CRITICAL)" in checked.out
        assert "(anomalies WARNING)" in checked.out

        ring.rotate(orders, actor="alice")
        assert queue_of(connection).due() == []
        ring.key(orders).encrypt(DATA, aad=AAD)
        query = f"SELECT usage_count FROM key_versions {OF_KEY} ORDER BY version_number"  # noqa: S608
        assert [count for (count,) in execute(connection, query, {"key": orders}).fetchall()] == [2 * STEP, 1]
