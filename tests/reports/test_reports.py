"""Reports: their files, formats and proofs, and what they say of values that somebody else chose."""

import datetime as dt
import gzip
import hashlib
import html
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.standalone import check_audit
from kms_schema.reports import STANDARDS, ReportError, Written, quoting, reading
from kms_schema.reports.formats import oscal
from kms_schema.reports.reading import plain
from kms_schema.vocabulary import KeyStatus
from support.engines import Engines
from support.engines.database import Connection
from support.engines.programs import REPOSITORY
from support.errors import raises
from support.programs.commands import kms_schema
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.trails import FORGER, KEY, seal_all
from tests.reports.populated import HOSTILE, now, write

pytestmark = pytest.mark.versions("oldest and newest")

SCHEMA = json.loads((REPOSITORY / "kms_schema" / "reports" / "report.schema.json").read_text(encoding="utf-8"))
KEYS = [check_audit.read_key(str(KEY.verifier))]


def claim(written: Written, name: str) -> dict[str, Any]:
    (found,) = [each for each in written.document["claims"] if each["name"] == name]
    return dict(found)


def test_a_report_says_what_it_is_about_and_has_a_proof_of_each_entry(connection: Connection, tmp_path: Path) -> None:
    import jsonschema  # noqa: PLC0415  (with its formats it takes more than a second, in each process)

    shown: list[tuple[str, int, int]] = []
    written = write(connection, tmp_path, progress=lambda *each: shown.append(each))
    assert shown[-1][:2] == ("hashed", shown[-1][2])
    assert json.loads(written.path.read_bytes()) == written.document
    assert hashlib.sha256(written.path.read_bytes()).hexdigest() == written.sha256
    jsonschema.validate(written.document, SCHEMA)
    checkpoint, *files = written.attachments
    assert checkpoint.read_text(encoding="utf-8") == written.document["checkpoint"]["note"]
    quoted = {
        each["attachment"]: each for each in (claim["entries"] or {} for claim in written.document["claims"]) if each
    }
    for path in files:
        entries = quoted[path.name]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entries["sha256"]
        count, about = check_audit.check_proofs(path, KEYS, kept=checkpoint.read_text(encoding="utf-8"))
        assert (count, entries["unproven"]) == (entries["count"], 0)
        assert f"{written.document['checkpoint']['size']} entries" in about
        proofs = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        rows = [(row["sequence"], row["leaf_index"], row["event_type"]) for row in entries["rows"]]
        assert rows == [(each["entry"]["sequence"], each["leaf_index"], each["entry"]["event_type"]) for each in proofs]
    assert {path.name.split(".")[2] for path in files} >= {"revocations", "destructions", "high-risk", "administration"}


def test_a_changed_proof_and_another_key_are_refused(connection: Connection, tmp_path: Path) -> None:
    written = write(connection, tmp_path)
    path = tmp_path / "report.json.revocations.jsonl.gz"
    line = gzip.decompress(path.read_bytes())
    changed = tmp_path / "changed.jsonl"
    for content, says in (
        (line.replace(b"KEY_REVOKED", b"KEY_ROTATED"), "line 1: the entry is not the one at this place"),
        (line + line, "line 2: the entries do not ascend"),
        (b"", "it has no proofs"),
        (gzip.compress(line)[:-9], "it is no whole gzip file"),
        (b"\n", "line 1: this is not JSON"),
    ):
        changed.write_bytes(content)
        with pytest.raises(check_audit.Refused, match=says):
            check_audit.check_proofs(changed, KEYS)
    with pytest.raises(check_audit.Refused, match="not signed by a key that you trust"):
        check_audit.check_proofs(path, [check_audit.read_key(str(FORGER.verifier))])
    assert VerifierKey.parse(written.document["checkpoint"]["verifier_key"]) == KEY.verifier


def test_a_report_in_another_format_leaves_the_files_of_the_first(connection: Connection, tmp_path: Path) -> None:
    first = write(connection, tmp_path)
    assert not {*first.attachments} & {*write(connection, tmp_path, style="html").attachments}


def test_each_query_of_a_report_returns_its_figures(connection: Connection, tmp_path: Path) -> None:
    """The program reads the log once for several figures: the query beside each gives the same."""
    run = 0
    for each in write(connection, tmp_path).document["claims"]:
        for table in each["figures"]:
            if table["query"].startswith("SELECT") and table["title"] != "Entries and seals by month":
                rows = [list(map(plain, row)) for row in connection.execute(table["query"]).fetchall()]
                assert (rows, len(rows)) == (table["rows"], table["row_count"]), table["query"]
                run += 1
        if each["entries"]:
            rows = connection.execute(each["entries"]["query"]).fetchall()
            assert [row[0] for row in rows] == [row["sequence"] for row in each["entries"]["rows"]]
            run += 1
    assert run > 25


def test_oscal_is_what_its_model_accepts_for_each_standard(connection: Connection, tmp_path: Path) -> None:
    from trestle.oscal import assessment_results  # noqa: PLC0415  (it takes more than a second)

    written = write(connection, tmp_path, "gdpr", style="oscal")
    (result,) = assessment_results.AssessmentResults.oscal_read(written.path.rename(tmp_path / "results.json")).results
    states = {each["number"]: each["state"] for each in written.document["controls"]}
    decided = {number for number, state in states.items() if state in {"satisfied", "not satisfied"}}
    assert {each.title.partition(":")[0] for each in result.findings or ()} == decided
    assert len(result.observations) == len(written.document["claims"])
    for standard in STANDARDS.values():
        plain_control = {"asks": "x", "state": "satisfied", "claims": ["who"], "left": "y"}
        controls = [{**plain_control, "number": each.number} for each in standard.controls]
        document = {**written.document, "standard": standard.name, "controls": controls}
        (tmp_path / "other.json").write_text(oscal.render(document), encoding="utf-8")
        (result,) = assessment_results.AssessmentResults.oscal_read(tmp_path / "other.json").results
        assert len(result.findings) == len(standard.controls)


def test_html_escapes_every_value_and_loads_nothing(connection: Connection, tmp_path: Path) -> None:
    page = write(connection, tmp_path, style="html").path.read_text(encoding="ascii")
    assert "<script" not in page
    assert html.escape("<script>alert('x')</script> &") in page
    assert not re.search(r"(?<![\w+/])(src|href|url)\s*[=(]\s*[\"']?(?!#)\w", page)
    assert "<b></bdi>" not in page
    assert html.escape("<b>") in page
    assert "default-src 'none'" in page
    assert HOSTILE[-5:-4] not in page


def test_a_page_explains_its_words_and_how_a_claim_is_checked(connection: Connection, tmp_path: Path) -> None:
    written = write(connection, tmp_path, style="html")
    page = html.unescape(written.path.read_text(encoding="ascii"))
    assert all(f"<dd>{meaning}</dd>" in page for meaning in written.document["legend"].values())
    assert {f"key {status}" for status in KeyStatus} <= written.document["legend"].keys()
    for name, says in (
        ("revocations", "To check: the proofs of the quoted entries need no database. The claim is not provable"),
        ("registry", "To check: run its queries again on the database"),
        ("entries-unchanged", "To check: this claim is provable offline with an archive: kms-schema audit export"),
    ):
        section = page.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        assert section.index("<pre>") < section.index(says), name
    assert f"<dd><bdi>{written.document['checkpoint']['note'].splitlines()[2]}</bdi></dd>" in page, "the root"


def test_no_report_says_that_a_standard_is_met(connection: Connection, tmp_path: Path) -> None:
    for style in ("html", "oscal"):
        text = html.unescape(write(connection, tmp_path, style=style).path.read_text(encoding="utf-8")).lower()
        for name in ("compliance_tags", "'compliance'", "rotate_on_compliance_requirement"):  # in queries
            text = text.replace(name, "")
        assert "complian" not in text


def test_more_than_a_thousand_entries_are_in_the_file_of_proofs(connection: Connection, tmp_path: Path) -> None:
    (whole,) = claim(write(connection, tmp_path), "registry")["figures"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quoting, "LISTED", 1)
        patch.setattr(reading, "LISTED", 1)
        written = write(connection, tmp_path)
    (registry,) = claim(written, "registry")["figures"]
    assert registry == {**whole, "rows": whole["rows"][:1]}
    assert registry["row_count"] == len(whole["rows"]) == 4
    administration = claim(written, "administration")["entries"]
    assert len(administration["rows"]) == 1 < administration["count"]
    assert check_audit.check_proofs(tmp_path / administration["attachment"], KEYS)[0] == administration["count"]


def test_what_cannot_be_reported_is_said_and_leaves_no_file(connection: Connection, tmp_path: Path) -> None:
    for options, says in (
        ({"standard": "iso"}, "there is no standard 'iso'; the standards are pci-dss-4.0.1, sox, gdpr"),
        ({"style": "pdf"}, "there is no format 'pdf'"),
        ({"period": "2026-Q5"}, "no period: '2026-Q5'; write 2026, 2026-Q3, 2026-07 or 2026-07-01..2026-09-30, up"),
        ({"period": "9000"}, "the period 9000 has not begun"),
    ):
        with pytest.raises(ReportError, match=re.escape(says)):
            write(connection, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "report.json").mkdir()
    with pytest.raises(ReportError, match="is no regular file"):
        write(connection, tmp_path)


def test_a_period_before_the_log_is_refused_and_one_that_begins_before_it_is_for_review(
    connection: Connection, tmp_path: Path
) -> None:
    with raises(ReportError, "period", match="the period 1999 ended before the log begins, at 2"):
        write(connection, tmp_path, period="1999")
    assert list(tmp_path.iterdir()) == []
    early = write(connection, tmp_path)
    assert early.document["snapshot"]["log_begins"] > early.document["period"]["start"]
    for name in ("entries-unchanged", "who", "kept-a-year", "recorded", "sealed", "retired-not-used"):
        found = claim(early, name)
        assert (found["state"], "the log begins at" in (found["reason"] or "")) == ("for review", True), name


def test_claims_about_nothing_are_not_applicable(engines: Engines, engine_name: str, tmp_path: Path) -> None:
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        empty = write(connection, tmp_path)
    engines[engine_name].drop(database)
    about_nothing = (
        "rotated-in-time", "rotations-succeed", "revocations", "retired-not-used", "destructions", "recorded",
    )  # fmt: skip
    assert {claim(empty, name)["state"] for name in about_nothing} == {"not applicable"}


def test_a_heading_has_the_value_or_the_number_of_rows(connection: Connection, tmp_path: Path) -> None:
    page = write(connection, tmp_path, style="html").path.read_text(encoding="ascii")
    assert "<h4>Rows that the claim is about: active hsms = 1</h4>" in page
    assert "<h4>Entries whose hash was recomputed</h4>" in page
    assert "<h4>Rows against the claim: 0 rows</h4>" in page


def test_what_only_a_person_can_decide_is_for_review(
    engines: Engines, engine_name: str, connection: Connection, tmp_path: Path
) -> None:
    document = write(connection, tmp_path, "pci-dss-4.0.1").document
    states = {each["number"]: each["state"] for each in document["controls"]}
    assert states["10.2.2"] == "for review", "an entry may have no address"
    if isinstance(connection, sqlite3.Connection):
        return
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as own:
        own.execute("GRANT SELECT (key_id) ON key_masters TO PUBLIC")
        written = write(own, tmp_path)
    engines[engine_name].drop(database)
    (members,) = claim(written, "members")["figures"]
    (public,) = [row for row in members["rows"] if row[0] == "PUBLIC"]
    assert public[2] == "SELECT of columns"
    privileges = claim(written, "privileges")
    assert privileges["state"] != "satisfied"
    assert "KMS414" in [row[0] for row in privileges["figures"][0]["rows"]]


def test_formats_of_one_name_have_files_of_their_own(connection: Connection, tmp_path: Path) -> None:
    files = [{each.name for each in write(connection, tmp_path, style=style).attachments} for style in ("html", "json")]
    assert not files[0] & files[1]


def test_texts_that_are_damaged_or_of_very_many_types_do_not_stop_a_report(
    engines: Engines, engine_name: str, tmp_path: Path
) -> None:
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        for number in range(5):
            insert(connection, "key_audit_logs", **audit_entry(event_type=f"TYPE_{number}", risk_score=90))
        seal_all(connection)
        if isinstance(connection, sqlite3.Connection):  # PostgreSQL has no such text
            with triggers_disabled(connection):
                change = "UPDATE key_audit_logs SET event_description = CAST(X'ff41' AS TEXT) WHERE sequence = 3"
                execute(connection, change)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "GROUPS", 2)
            written = write(connection, tmp_path)
        for style in ("html", "oscal"):
            write(connection, tmp_path, style=style)
    engines[engine_name].drop(database)
    assert sum(row[-1] for row in claim(written, "who")["figures"][0]["rows"]) == 6
    entries = claim(written, "high-risk")["entries"]
    assert (entries["count"], entries["unproven"]) == (5, int(database.dialect == "sqlite"))


def test_the_archive_that_a_report_names_proves_the_entries_of_the_period(
    engines: Engines, engine_name: str, tmp_path: Path
) -> None:
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as connection:
        (first,) = seal_all(connection)
        at = now() - dt.timedelta(days=30)
        signed = replace(first, sealed_at=f"{at:%Y-%m-%dT%H:%M:%S.%fZ}").signed_by(KEY)
        with triggers_disabled(connection):  # the first seal is of a month before the period
            earlier = "UPDATE key_audit_seals SET sealed_at = :at, signature = :signature"
            execute(connection, earlier, {"at": at, "signature": signed.signature})
        insert(connection, "key_audit_logs", **audit_entry())
        seal_all(connection)
        written = write(connection, tmp_path)
    unchanged = claim(written, "entries-unchanged")
    command = unchanged["proof"].removeprefix("provable offline with an archive: ")
    assert command == "kms-schema audit export FILE --since 1 --until 2"
    path = tmp_path / "archive.jsonl.gz"
    done = kms_schema(*command.replace("FILE", str(path)).split()[1:], url=database.url)
    assert done.status == 0, done.err
    archive = check_audit.check_archive(path, KEYS)
    assert (archive.first_leaf, archive.end_leaf) == (1, 2)
    engines[engine_name].drop(database)
