"""A scrape as a member of each role: a part is read in full, or it fails. Rows that are hidden never count as 0."""

import pytest

from kms_schema.monitoring import take_snapshot
from kms_schema.monitoring.names import Part
from kms_schema.roles.definition import GRANTEES, Role
from kms_schema.vocabulary import RecordedOperation
from support.programs.commands import kms_schema
from support.rows.smallest import audit_entry, insert
from tests.roles.granted import Granted
from tests.roles.material import destroyed_version

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

OF_ROWS = {Part.SEALING, Part.LOG, Part.RECORDS, Part.SECURITY, Part.ANOMALIES}
"""The parts that read tables with row security."""
NOT_COMPARED = {Part.DATABASE, Part.STATEMENTS}
"""Parts that read no table of the schema; they say `unknown` or are skipped where the role may not read."""


@pytest.mark.parametrize(
    "roles", [*((role,) for role in GRANTEES), (Role.AUDITOR, Role.APP), (Role.APP, Role.SEALER)], ids=" and ".join
)
def test_each_part_is_right_or_fails(common: Granted, roles: tuple[Role, ...]) -> None:
    destroyed_version(common.superuser)
    common.superuser.execute(
        "INSERT INTO key_operation_records (operation, subject, errors, warnings, infos, unchecked)"
        " VALUES (%s, %s, 2, 0, 0, 0)"
        " ON CONFLICT DO NOTHING",
        (RecordedOperation.VALIDATION, "all"),
    )
    common.superuser.commit()
    common.superuser.autocommit = True
    whole = take_snapshot(common.superuser)
    high = sum(each.value for each in whole.by_name["kms_audit_high_risk_entries"])
    assert (whole.failures(), high > 0) == ({}, True)
    with common.session(*roles) as session:
        session.autocommit = True
        if Role.AUDITOR in roles:
            session.execute("SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET row_security = off")
        seen = take_snapshot(session)
    expected = {each.part: each.samples for each in whole.parts}
    for each in seen.parts:
        if each.error is None and each.part not in NOT_COMPARED:
            assert each.samples == expected[each.part], each.part
    failed = seen.failures()
    if Role.AUDITOR in roles:
        assert failed == {}
    elif Role.SEALER in roles:
        assert Part.ANOMALIES in failed
    elif {Role.APP, Role.ROTATOR, Role.ADMIN}.intersection(roles):
        assert failed.keys() >= OF_ROWS
        assert "row-level security" in failed[Part.SECURITY]
    else:
        assert failed.keys() >= {Part.SECURITY, Part.ANOMALIES}
    assert (Part.SECURITY in failed) is ("kms_audit_high_risk_entries" not in seen.by_name)
    assert all("kms_auditor" in reason for reason in failed.values()), failed


def test_check_says_which_role_is_needed(common: Granted) -> None:
    with common.member(Role.APP) as seen:
        said = kms_schema("check", url=seen.url)
    assert said.status == 3
    assert "run this as a member of kms_auditor" in said.out
    assert "high-risk=" not in said.out


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
