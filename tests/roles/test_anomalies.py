"""The login that looks for anomalies: an auditor, and nobody who is shown a part of the log."""

import datetime as dt

import pytest

from kms_schema.audit import TrailError, find_anomalies
from kms_schema.roles.definition import Role
from support.programs.commands import kms_schema
from tests.roles.granted import Granted

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]


def test_an_auditor_finds_anomalies_and_takes_changed_privileges_for_none(common: Granted) -> None:
    with common.session(Role.AUDITOR) as auditor:
        assert find_anomalies(auditor, dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)) == []


@pytest.mark.parametrize("role", [Role.APP, Role.ROTATOR, Role.ADMIN])
def test_who_sees_only_their_own_entries_is_refused(common: Granted, role: Role) -> None:
    with common.session(role) as session, pytest.raises(TrailError, match="kms_auditor"):
        find_anomalies(session, dt.datetime.now(dt.UTC))


def test_the_command_says_which_role_is_needed(common: Granted) -> None:
    with common.member(Role.APP) as seen:
        done = kms_schema("audit", "anomalies", url=seen.url)
    assert (done.status, done.out) == (3, "")
    assert "kms_auditor" in done.error
