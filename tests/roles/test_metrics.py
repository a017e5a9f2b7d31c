"""Metrics as several roles: what a role sees in part, or what others put before pg_catalog, is never an all-clear."""

import pytest

from kms_schema.monitoring import take_snapshot
from kms_schema.monitoring.names import Part
from kms_schema.roles.definition import Role
from tests.roles.granted import Granted
from tests.support.rows.smallest import audit_entry, insert

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

_OF_ROWS = (Part.SEALING, Part.LOG, Part.RECORDS, Part.SECURITY, Part.ANOMALIES)
"""The parts that read tables with row security."""


@pytest.mark.parametrize("role", [Role.APP, Role.ROTATOR, Role.ADMIN])
def test_a_part_fails_for_a_role_that_sees_some_rows(common: Granted, role: Role) -> None:
    with common.session(Role.AUDITOR) as auditor:
        auditor.autocommit = True
        auditor.execute("SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET row_security = off")
        assert take_snapshot(auditor).failures() == {}
    with common.session(role) as session:
        session.autocommit = True
        snapshot = take_snapshot(session)
    assert set(_OF_ROWS) <= set(snapshot.failures())
    assert "row-level security" in snapshot.failures()[Part.SECURITY]
    assert "kms_audit_high_risk_entries" not in snapshot.by_name


def test_an_operator_of_the_search_path_changes_no_count(granted: Granted) -> None:
    owner = granted.superuser
    insert(owner, "key_audit_logs", **audit_entry(security_level="CRITICAL"))
    owner.execute("CREATE FUNCTION no(varchar, varchar) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false'")
    owner.execute("CREATE OPERATOR = (FUNCTION = no, LEFTARG = varchar, RIGHTARG = varchar)")
    with granted.session(Role.AUDITOR) as auditor:
        auditor.autocommit = True
        snapshot = take_snapshot(auditor)
    assert snapshot.failures() == {}
    assert snapshot.value("kms_audit_high_risk_entries", "1h", "CRITICAL") == 1
