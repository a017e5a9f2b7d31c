"""The entry about a document: the roles that write it, and all else that is refused to an auditor."""

import pytest

from kms_schema.audit import Document, open_trail, record_document
from kms_schema.roles.definition import GRANTEES, Role
from support.statements import execute, refused
from tests.roles.granted import Granted

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

DOCUMENT = Document("report", "html", "ab" * 32, "sox, 2026-Q3", None)
COLUMNS = "event_type, event_category, event_description"
WRITTEN = "'DOCUMENT_WRITTEN', 'COMPLIANCE', 'x'"
ENTRY = f"INSERT INTO key_audit_logs ({COLUMNS}) VALUES ({WRITTEN})"  # noqa: S608


def test_an_auditor_records_a_document_in_its_own_name(common: Granted) -> None:
    with common.session(Role.AUDITOR) as auditor:
        entry = record_document(open_trail(auditor), DOCUMENT, user_id="alice")
        login = auditor.info.user
    assert (entry["event_type"], entry["recorded_by"], entry["user_id"]) == ("DOCUMENT_WRITTEN", login, "alice")
    assert (entry["security_level"], entry["key_id"], entry["risk_score"]) == ("LOW", None, None)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (COLUMNS, "'ROTATION_REQUIRED', 'COMPLIANCE', 'x'"),
        (COLUMNS, "'DOCUMENT_WRITTEN', 'SECURITY', 'x'"),
        (f"{COLUMNS}, security_level", f"{WRITTEN}, 'CRITICAL'"),
        (f"{COLUMNS}, key_id", f"{WRITTEN}, NULL"),
        (f"{COLUMNS}, risk_score", f"{WRITTEN}, 100"),
        (f"{COLUMNS}, recorded_by", f"{WRITTEN}, 'somebody'"),
        (f"{COLUMNS}, retention_period_days", f"{WRITTEN}, 1"),
    ],
    ids=["another type", "another category", "a level", "a key", "a risk", "another login", "a retention period"],
)
def test_an_auditor_writes_no_other_entry(common: Granted, columns: str, values: str) -> None:
    with common.session(Role.AUDITOR) as auditor:
        statement = f"INSERT INTO key_audit_logs ({columns}) VALUES ({values})"  # noqa: S608
        refused(auditor, statement, rule="", sqlstate="42501")


@pytest.mark.parametrize("role", GRANTEES)
def test_the_roles_that_write_the_entry_of_a_document(common: Granted, role: Role) -> None:
    with common.session(role) as session:
        if role in {Role.SEALER, Role.REMOVER}:
            refused(session, ENTRY, rule="", sqlstate="42501")
        else:
            with session.transaction(force_rollback=True):
                assert execute(session, ENTRY).rowcount == 1
