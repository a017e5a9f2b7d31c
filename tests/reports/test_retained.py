"""The end of retention periods turns no claim to "satisfied", and what is left after it is reported."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.standalone import check_audit
from kms_schema.audit.storage.postgresql.transactions import PostgresqlTransaction
from kms_schema.audit.storage.sqlite.transactions import SqliteTransaction
from kms_schema.reports.claims import CLAIMS
from support.engines import Database
from support.engines.database import Connection
from support.programs.commands import kms_schema
from support.rows import smallest
from support.rows.smallest import active_key_master, audit_entry, insert
from support.statements import execute
from tests.audit.aged import age
from tests.audit.retaining import Retaining, retaining
from tests.audit.trails import KEY, seal_all
from tests.audit.trails import write as write_entries
from tests.reports.populated import write
from tests.rotations.setups import DAY, a_key

pytestmark = pytest.mark.versions("newest")

OF_PERIOD = {claim.name for claim in CLAIMS.values() if claim.of_period} - {"entries-unchanged"}
OF_REMOVED = OF_PERIOD | {"destructions", "addresses", "administration", "exports", "high-risk", "retention-changes"}


def claims(connection: Connection, folder: Path) -> dict[str, dict[str, Any]]:
    at = smallest.now()
    period = f"{at - 350 * DAY:%Y-%m-%d}..{at + DAY:%Y-%m-%d}"
    return {each["name"]: each for each in write(connection, folder, period=period).document["claims"]}


def seal_then(database: Database, days: int, kept: int) -> None:
    """Make the unsealed entries so many days older, and seal them at that time."""
    age(database, days, kept=kept)
    with closing(database.connect()) as connection, pytest.MonkeyPatch.context() as patch:
        for transaction in (PostgresqlTransaction, SqliteTransaction):
            patch.setattr(transaction, "now", lambda _: f"{smallest.now() - days * DAY:%Y-%m-%dT%H:%M:%S.%fZ}")
        seal_all(connection)


def past(place: Retaining) -> None:
    """Write entries of a revocation, of a destruction, and of a use after it, to be kept for 30 days; then others."""
    at = smallest.now()
    seal_then(place.database, 400, 30)
    with closing(place.database.connect()) as connection:
        key = a_key(connection, key_id="lost", age=500 * DAY)
        for change in (
            "UPDATE key_versions SET deactivated_at = :at WHERE key_id = :id",
            "UPDATE key_versions SET destroyed_at = :at, encrypted_key_data = NULL WHERE key_id = :id",
            "UPDATE key_masters SET status = 'revoked', revoked_at = :at, status_reason = 'lost' WHERE id = :id",
        ):
            execute(connection, change, {"at": at - 320 * DAY, "id": key["id"]})
    seal_then(place.database, 320, 30)
    with closing(place.database.connect()) as connection:
        used = {"version": 1, "encryptions": 5, "decryptions": 0, "bytes": 1}
        entry = audit_entry(key_id=key["id"], event_type="KEY_USED", additional_metadata=used)
        insert(connection, "key_audit_logs", **entry)
    seal_then(place.database, 300, 30)
    with closing(place.database.connect()) as connection:
        write_entries(connection, 5)
    seal_then(place.database, 200, 2555)


def test_removed_entries_leave_claims_for_review(database: Database, tmp_path: Path) -> None:
    archives, reports = tmp_path / "archives", tmp_path / "reports"
    archives.mkdir()
    reports.mkdir()
    with retaining(database) as place:
        days = {f"{smallest.now() - 300 * DAY:%Y-%m-%d}"}
        past(place)
        days.add(f"{smallest.now() - 300 * DAY:%Y-%m-%d}")
        with closing(database.connect()) as connection:
            before = claims(connection, reports)
        (retained,) = place.retain(archives)
    with closing(database.connect()) as connection:
        after = claims(connection, reports)
        at = smallest.now() - 10 * DAY
        imported = active_key_master(key_id="imported", created_at=at - DAY, activated_at=at - DAY)
        insert(connection, "key_masters", **{**imported, "status": "revoked", "revoked_at": at})
        later = claims(connection, reports)
    assert {before[name]["state"] for name in ("retired-not-used", "kept-a-year")} == {"not satisfied"}
    assert {before[name]["state"] for name in ("recorded", "destructions", "who")} == {"satisfied"}
    assert {name: after[name]["state"] for name in OF_REMOVED} == dict.fromkeys(OF_REMOVED, "for review")
    assert retained.archive is not None
    digest = check_audit.check_archive(retained.archive, [check_audit.read_key(str(KEY.verifier))]).sha256.hex()
    for name in OF_REMOVED:
        assert any(f"up to {day}" in after[name]["reason"] for day in days)
        assert after[name]["figures"][-1]["rows"][0][-1] == digest
    assert later["recorded"]["state"] == "not satisfied", "its entry would be after those that were removed"
    assert [row[0] for row in later["recorded"]["violations"]["rows"]] == ["imported"]
    proof = after["entries-unchanged"]["proof"]
    command, _, removed = proof.removeprefix("provable offline with an archive: ").partition("; ")
    assert (after["entries-unchanged"]["state"], removed) == (
        "satisfied", f"the archives of removed entries have the SHA-256 {digest}",
    )  # fmt: skip
    done = kms_schema(*command.replace("FILE", str(tmp_path / "left.jsonl.gz")).split()[1:], url=database.url)
    assert done.status == 0, done.err


def test_entries_that_are_left_after_their_period_are_reported(database: Database, tmp_path: Path) -> None:
    def found() -> tuple[str, int, bool]:
        with closing(database.connect()) as connection:
            ended = claims(connection, tmp_path)["retention-ends"]
        return ended["state"], ended["violations"]["row_count"], "kept for longer" in (ended["reason"] or "")

    with closing(database.connect()) as connection:
        write_entries(connection, 3)
    age(database, 60, kept=30)
    assert found() == ("satisfied", 0, False), "a month later at the latest"
    age(database, 2, rows="sequence > 1")
    assert found() == ("not satisfied", 3, False), "nothing is sealed"
    age(database, 2, kept=2555, rows="sequence = 1")
    with closing(database.connect()) as connection:
        seal_all(connection)
    assert found() == ("for review", 3, True)
    age(database, 2600, rows="sequence = 1")
    assert found() == ("not satisfied", 4, False)
