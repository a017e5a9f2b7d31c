"""What is wrong with a database turns the claims about it to "not satisfied", and no others."""

import datetime as dt
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema import vocabulary
from kms_schema.reports.claims import CLAIMS
from support.engines import Database, Engines
from support.engines.database import Connection
from support.rows.smallest import audit_entry, insert
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.aged import age
from tests.audit.trails import seal_all
from tests.reports.populated import not_satisfied, now, write
from tests.reports.wrongs import BY_CLIENTS, BY_OWNER, check_each

pytestmark = pytest.mark.versions("newest")


def test_what_clients_and_owners_can_do(changed: Connection, tmp_path: Path) -> None:
    check_each(changed, tmp_path, *BY_CLIENTS)
    assert not_satisfied(changed, tmp_path) <= {"privileges"}


def test_what_only_an_owner_can_do(changed: Connection, tmp_path: Path) -> None:
    with triggers_disabled(changed):
        check_each(changed, tmp_path, *BY_OWNER)


def test_entries_without_a_seal(engines: Engines, engine_name: str, tmp_path: Path) -> None:
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        before = not_satisfied(connection, tmp_path)
        insert(connection, "key_audit_logs", **audit_entry())
        assert not_satisfied(connection, tmp_path) == before
        age(database, 2)
        assert not_satisfied(connection, tmp_path) - before == {"sealed"}
        seal_all(connection)
        assert not_satisfied(connection, tmp_path) == before
        _in_another_month(database, tmp_path, before)
    engine.drop(database)


def test_a_seal_without_a_signature_proves_nothing(engines: Engines, engine_name: str, tmp_path: Path) -> None:
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry(risk_score=90))
        before = not_satisfied(connection, tmp_path)
        seal_all(connection, None)
        assert not_satisfied(connection, tmp_path) - before == {"sealed"}
        document = write(connection, tmp_path).document
    engine.drop(database)
    (risky,) = (each["entries"] for each in document["claims"] if each["name"] == "high-risk")
    assert (document["checkpoint"], risky["count"], risky["unproven"], risky["attachment"]) == (None, 1, 1, None)
    assert "seal 1 is not signed" in document["without_proofs"]


def _in_another_month(database: Database, folder: Path, before: set[str]) -> None:
    with closing(database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry())
        age(database, 70, kept=7)
        seal_all(connection)
        month = f"{now() - dt.timedelta(days=70):%Y-%m}"
        found = not_satisfied(connection, folder, period=month)
        assert found - before == {"sealed-monthly", "kept-a-year", "kept-seven-years"}


def test_every_claim_that_can_fail_does_in_a_test() -> None:
    seen = set().union(*(each.claims for each in (*BY_CLIENTS, *BY_OWNER)))
    elsewhere = {"sealed", "sealed-monthly", "kept-a-year", "kept-seven-years", "privileges", "retention-ends"}
    can_fail = {claim.name for claim in CLAIMS.values() if claim.violations or claim.computed}
    assert can_fail == seen | elsewhere


def test_the_events_that_claims_name_are_those_of_the_vocabulary() -> None:
    known = {*vocabulary.RecordedEvent, *vocabulary.UseEvent, *vocabulary.DocumentEvent}
    named = {event for claim in CLAIMS.values() if claim.selection for event in claim.selection.events}
    assert named <= known
    assert named >= {event for event in vocabulary.RecordedEvent if event.startswith(("HSM_CONF", "POLICY_", "RIGHTS"))}
