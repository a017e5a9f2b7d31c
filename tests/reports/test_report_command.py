"""`kms-schema report`: its files, its entry, and its exit status."""

import gc
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.standalone import check_audit
from kms_schema.reports import quoting
from support.engines import Database, Engines
from support.programs.commands import Said, kms_schema
from support.statements import execute
from tests.reports.populated import TRUST, period, populate, write

pytestmark = pytest.mark.versions("newest")

STANDARD = ("report", "--standard", "nist-sp-800-57", "--period")


@pytest.fixture(scope="module")
def own(engines: Engines, engine_name: str) -> Iterator[Database]:
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        populate(connection)
    yield database
    engine.drop(database)


def entries(database: Database) -> list[tuple[str, str, int]]:
    query = (
        "SELECT event_description, CAST(additional_metadata AS text), sequence FROM key_audit_logs"
        " WHERE event_type = 'DOCUMENT_WRITTEN' ORDER BY sequence"
    )
    with closing(database.connect()) as connection:
        return [(str(text), str(metadata), number) for text, metadata, number in execute(connection, query).fetchall()]


def report(database: Database, *arguments: str) -> Said:
    return kms_schema(*STANDARD, *arguments, url=database.url)


def test_a_report_is_recorded_and_its_proofs_are_checked_without_the_database(
    own: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = period()
    done = report(own, asked, "--format", "json")
    assert "database: " in done.target
    names = done.out.splitlines()
    assert sorted(names) == sorted(each.name for each in tmp_path.iterdir())
    document = json.loads((tmp_path / names[0]).read_bytes())
    failing = [each["number"] for each in document["controls"] if each["state"] == "not satisfied"]
    assert done.status == int(bool(failing))
    assert (f"not satisfied: {', '.join(failing)}" in done.err) == bool(failing)
    ((described, metadata, sequence),) = entries(own)
    assert f", sequence {sequence}\n" in done.err
    recorded = json.loads(metadata)
    assert recorded["sha256"] in done.err
    assert (recorded["document"], recorded["format"], recorded["scope"]) == (
        "report", "json", f"nist-sp-800-57, {asked}",
    )  # fmt: skip
    assert recorded["checkpoint"]["tree_size"] == document["checkpoint"]["size"]
    assert recorded["sha256"] in described
    assert document["recorded"] is True
    (tmp_path / "keys.txt").write_text(TRUST, encoding="utf-8")
    proofs = [each for each in names if each.endswith(".jsonl.gz")]
    words = ["proofs", *proofs, "--trust", "keys.txt", "--checkpoint", names[1]]
    program = [sys.executable, "-I", check_audit.__file__]
    checked = subprocess.run([*program, *words], check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "all proofs hold"), checked.stderr


def test_without_the_record_nothing_is_written_into_the_database(own: Database, tmp_path: Path) -> None:
    before = entries(own)
    done = report(own, period(), "--no-record", "--output", str(tmp_path / "q.html"))
    assert done.status in {0, 1}
    assert (done.target, entries(own)) == ("", before)
    page = (tmp_path / "q.html").read_text(encoding="ascii")
    assert "This report was written with --no-record" in page
    assert (tmp_path / "q.html").stat().st_mode & 0o077 == 0


def test_a_report_does_not_replace_another_whose_hash_is_in_the_log(own: Database, tmp_path: Path) -> None:
    path, before = tmp_path / "q.json", entries(own)
    given = (period(), "--format", "json", "--output", str(path))
    path.write_text("evidence", encoding="utf-8")
    refused = report(own, *given)
    assert (refused.status, path.read_text(encoding="utf-8"), entries(own)) == (2, "evidence", before)
    assert f"cannot write {path}: it exists, and the audit log may have its SHA-256" in refused.error
    path.unlink()
    (tmp_path / "q.json.checkpoint.txt").write_text("evidence", encoding="utf-8")
    assert report(own, *given).status == 2
    assert [each.name for each in tmp_path.iterdir()] == ["q.json.checkpoint.txt"]
    assert entries(own) == before
    assert report(own, *given, "--force").status in {0, 1}
    assert json.loads(path.read_bytes())["standard"] == "nist-sp-800-57"
    assert len(entries(own)) == len(before) + 1


def test_a_report_on_standard_output_has_no_files(
    own: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = report(own, period(), "--format", "json", "--output", "-")
    assert list(tmp_path.iterdir()) == []
    assert sha256(done.out.encode()).hexdigest() in entries(own)[-1][0]
    quoted = [each["entries"] for each in json.loads(done.out)["claims"] if each["entries"]]
    assert any(each["rows"] for each in quoted)
    for each in quoted:
        assert (each["attachment"], each["unproven"]) == (None, each["count"])
    faults = {row["without_proof"] for each in quoted for row in each["rows"]}
    assert faults <= {"standard output has no file of proofs beside it", "no seal up to seal 1 covers it"}


def test_waived_findings_count_as_in_validate_and_are_named(own: Database, tmp_path: Path) -> None:
    waivers = tmp_path / "waivers.toml"
    given = (period(), "--format", "json", "--no-record", "--output", "-", "--waivers", str(waivers))

    def no_drift(expires: str) -> dict[str, Any]:
        text = f'[[waiver]]\ncode = "KMS131"\nreason = "of the reporting team"\nexpires = {expires}\n'
        waivers.write_text(text, encoding="utf-8")
        claims = {each["name"]: each for each in json.loads(report(own, *given).out)["claims"]}
        return dict(claims["no-drift"])

    with closing(own.connect()) as connection:
        execute(connection, "DROP INDEX idx_key_masters_parent_key_id")
        waived, expired = no_drift("2999-01-01"), no_drift("2020-01-01")
        execute(connection, "CREATE INDEX idx_key_masters_parent_key_id ON key_masters (parent_key_id)")
    assert (waived["state"], waived["violations"]["row_count"]) == ("for review", 0)
    ((code, *_, reason, day),) = waived["figures"][0]["rows"]
    assert (code, reason, day) == ("KMS131", "of the reporting team", "2999-01-01")
    assert expired["state"] == "not satisfied"
    assert {row[0] for row in expired["violations"]["rows"]} == {"KMS131"}


def test_a_file_that_cannot_be_written_records_nothing(own: Database, tmp_path: Path) -> None:
    before = entries(own)
    link = tmp_path / "link.html"
    link.symlink_to(tmp_path / "elsewhere.html")
    none = tmp_path / "none"
    for path, says in ((none / "q.html", f"the folder {none} does not exist"), (link, "it is a symbolic link")):
        done = report(own, period(), "--output", str(path))
        assert done.status == 2
        assert f"cannot write {path}: {says}" in done.error
    assert entries(own) == before
    assert [each.name for each in tmp_path.iterdir()] == ["link.html"]


def test_a_period_before_the_log_or_in_the_future_is_wrong_usage(own: Database, tmp_path: Path) -> None:
    for year, says in (("2015", "ended before the log begins"), ("2999", "has not begun: it is 20")):
        done = report(own, year, "--no-record", "--output", str(tmp_path / "q.html"))
        assert (done.status, f"the period {year} {says}" in done.error) == (2, True), done.err
    assert list(tmp_path.iterdir()) == []


def test_without_cryptography_no_proof_is_said_not_to_hold(tmp_path: Path) -> None:
    (tmp_path / "cryptography.py").write_text("raise ImportError", encoding="utf-8")
    copy = shutil.copy(check_audit.__file__, tmp_path)
    for check in ("proof", "proofs"):
        words = [sys.executable, copy, check, "none.jsonl", "--key", TRUST.strip()]
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        assert (done.returncode, "pip install cryptography" in done.stderr) == (2, True), done.stderr


def test_wrong_usage_and_a_database_without_the_schema(engines: Engines, engine_name: str, tmp_path: Path) -> None:
    database = engines[engine_name].create()
    with closing(database.connect()) as connection:
        execute(connection, "CREATE TABLE of_a_host (a integer)")
    where = ("--output", str(tmp_path / "q.html"))
    for arguments, status, says in (
        (("2026-Q9", *where), 2, "no period: '2026-Q9'; write 2026, 2026-Q3"),
        (("2026", *where), 3, "the database is without the schema, and a report needs"),
        (("9000", *where), 3, "the database is without the schema"),
    ):
        done = report(database, *arguments)
        assert (done.status, says in done.error) == (status, True), done.err
    engines[engine_name].drop(database)
    assert list(tmp_path.iterdir()) == []
    assert kms_schema("report", "--period", "2026", url=database.url).status == 2


def test_an_error_of_a_file_leaves_no_query_for_a_closed_connection(
    populated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda each: ignored.append(each.exc_value))
    monkeypatch.setattr(quoting, "_add", lambda *_: 1 // 0)
    with closing(populated.connect()) as connection, pytest.raises(ZeroDivisionError) as caught:
        write(connection, tmp_path)
    del caught
    gc.collect()
    assert ignored == []
