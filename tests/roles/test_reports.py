"""A report as a member of kms_auditor and of nothing else, who writes its entry."""

import json
from pathlib import Path

import pytest

from kms_schema.reports import STANDARDS
from kms_schema.roles.definition import Role
from support.programs.commands import kms_schema
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.audit.trails import KEY, seal_all
from tests.reports.populated import period, write
from tests.roles.granted import Granted

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]


def test_an_auditor_writes_a_report_with_every_claim_and_its_entry(granted: Granted, tmp_path: Path) -> None:
    insert(granted.superuser, "key_audit_logs", **audit_entry(risk_score=80))
    seal_all(granted.superuser, KEY)
    with granted.session(Role.AUDITOR) as session:
        written = write(session, tmp_path, record=True)
        login = session.info.user
    query = "SELECT recorded_by FROM key_audit_logs WHERE event_type = 'DOCUMENT_WRITTEN'"
    assert execute(granted.superuser, query).fetchall() == [(login,)]
    claims = {each["name"]: each for each in written.document["claims"]}
    assert claims["high-risk"]["entries"]["unproven"] == 0 < claims["high-risk"]["entries"]["count"]
    listed = {row[0]: row for row in claims["members"]["figures"][0]["rows"]}
    assert login in listed[granted.prefix + Role.AUDITOR][-1]


def test_a_role_that_can_bypass_the_protections_is_against_a_claim(granted: Granted, tmp_path: Path) -> None:
    with granted.session(Role.AUDITOR) as session:
        before = _bypasses(session, tmp_path)
        name = session.info.user
        execute(granted.superuser, f"GRANT pg_write_server_files TO {name}")
        assert len(_bypasses(session, tmp_path)) == len(before) + 1


def _bypasses(session: object, folder: Path) -> list[object]:
    document = write(session, folder).document  # type: ignore[arg-type]
    (claim,) = [each for each in document["claims"] if each["name"] == "privileges"]
    assert (claim["state"] == "not satisfied") == (claim["violations"]["row_count"] > 0)
    return list(claim["violations"]["rows"])


def test_an_application_may_write_no_report(granted: Granted, tmp_path: Path) -> None:
    with granted.member(Role.APP) as seen:
        arguments = ("--standard", next(iter(STANDARDS)), "--period", period(), "--output", str(tmp_path / "q.html"))
        done = kms_schema("report", *arguments, url=seen.url)
    assert done.status == 3
    assert "permission denied" in done.error or "row-level security" in done.error, json.dumps(done.err)
    assert list(tmp_path.iterdir()) == []
