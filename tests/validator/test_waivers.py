"""Waivers: what they take out, when they end, and which of them cannot be used."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kms_schema import Waiver, WaiverError, read_waivers
from kms_schema.validator.waivers import waive
from support.sample_reports import DISABLED, EXTRA, OWNER, finding, report

TODAY = date(2026, 11, 25)
LATER, EARLIER = TODAY + timedelta(days=1), TODAY - timedelta(days=1)
ENTRY = """[[waiver]]
code = "KMS132"
object = "index extra"
reason = "TICKET-7"
expires = 2027-01-31
"""


def waiver(code: str = "KMS145", expires: date = LATER, about: str | None = None) -> Waiver:
    return Waiver(code, "TICKET-7", expires, about)


def file_of(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "waivers.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_waived_finding_does_not_count_and_is_listed_with_its_reason() -> None:
    after = waive(report(DISABLED, OWNER), [waiver()], TODAY)
    assert after.findings == (OWNER,)
    assert [(each.finding, each.reason, each.expires) for each in after.waived] == [(DISABLED, "TICKET-7", LATER)]
    assert not after.fails()
    assert after.verdict == "no drift except waived findings: 1 warning; 1 waived"


def test_a_waiver_with_an_object_waives_that_object_only() -> None:
    other = finding("KMS145", "trigger key_masters.other")
    after = waive(report(DISABLED, other), [waiver(about=DISABLED.object)], TODAY)
    assert after.findings == (other,)
    assert waive(report(DISABLED, other), [waiver()], TODAY).findings == ()


def test_of_two_waivers_the_one_with_the_object_says_why() -> None:
    general = Waiver("KMS145", "in general", LATER)
    particular = Waiver("KMS145", "in particular", LATER, DISABLED.object)
    (taken,) = waive(report(DISABLED), [general, particular], TODAY).waived
    assert taken.reason == "in particular"


def test_a_waiver_holds_through_its_last_day() -> None:
    assert waive(report(DISABLED), [waiver(expires=TODAY)], TODAY).findings == ()


def test_an_expired_waiver_waives_nothing_and_is_an_error_itself() -> None:
    after = waive(report(DISABLED), [waiver(expires=EARLIER)], TODAY)
    assert after.waived == ()
    assert [(each.code, each.object) for each in after.findings] == [
        ("KMS145", DISABLED.object),
        ("KMS903", "waiver of KMS145"),
    ]
    assert after.findings[1].severity == "error"
    assert "counts again" in after.findings[1].impact


def test_an_expired_waiver_fails_a_database_that_is_as_it_was_made_and_says_that_it_is() -> None:
    after = waive(report(), [waiver(expires=EARLIER)], TODAY)
    assert [each.code for each in after.findings] == ["KMS903"]
    assert after.fails()
    assert after.verdict == "no drift, but a waiver has expired: 1 error"


def test_a_waiver_without_a_finding_is_a_warning() -> None:
    after = waive(report(), [waiver()], TODAY)
    assert [(each.code, each.severity) for each in after.findings] == [("KMS904", "warning")]
    assert "TICKET-7" in after.findings[0].actual


def test_a_waiver_of_what_this_run_did_not_look_for_is_no_finding() -> None:
    assert waive(report(not_checked=frozenset({"KMS145"})), [waiver()], TODAY).findings == ()


def test_today_is_that_of_utc() -> None:
    today = datetime.now(UTC).date()
    assert waive(report(DISABLED), [waiver(expires=today + timedelta(days=1))]).findings == ()
    assert len(waive(report(DISABLED), [waiver(expires=today - timedelta(days=1))]).findings) == 2


def test_findings_that_are_left_out_take_their_waivers_along() -> None:
    after = waive(report(DISABLED, EXTRA), [waiver(), waiver("KMS132")], TODAY).only(["KMS13"], [])
    assert [each.finding for each in after.waived] == [EXTRA]
    assert after.left_out == (DISABLED,)


def test_a_file_is_read_with_the_place_of_each_waiver(tmp_path: Path) -> None:
    file = file_of(tmp_path, "# accepted\n\n" + ENTRY + ENTRY.replace("extra", "other\\u202e"))
    first, second = read_waivers(file)
    assert first == Waiver("KMS132", "TICKET-7", date(2027, 1, 31), "index extra")
    assert (first.place, second.place) == (f"{file}, waiver 1 (line 3)", f"{file}, waiver 2 (line 8)")
    assert second.object == "index other\u202e"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "waiver = []\n"])
def test_a_file_without_waivers_is_one(tmp_path: Path, text: str) -> None:
    assert read_waivers(file_of(tmp_path, text)) == ()


UNUSABLE = {
    "no reason": (ENTRY.replace('reason = "TICKET-7"\n', ""), r"waiver 1 \(line 1\): it has no reason"),
    "blank reason": (ENTRY.replace("TICKET-7", "  "), r"waiver 1 \(line 1\): it has no reason"),
    "no day": (ENTRY.replace("expires = 2027-01-31\n", ""), r"waiver 1 \(line 1\): it has no day to expire"),
    "a day in quotes": (ENTRY.replace("2027-01-31", '"2027-01-31"'), "without quotes"),
    "a time": (ENTRY.replace("2027-01-31", "2027-01-31T00:00:00Z"), "it has no day to expire"),
    "no code": (ENTRY.replace('code = "KMS132"\n', ""), r"waiver 1 \(line 1\): there is no code None"),
    "an unknown code": (ENTRY.replace("KMS132", "KMS777"), "there is no code 'KMS777'"),
    "the beginning of a code": (ENTRY.replace("KMS132", "KMS13"), "there is no code 'KMS13'"),
    "a list of codes": (ENTRY.replace('"KMS132"', '["KMS132"]'), "there is no code"),
    "a code of waivers": (ENTRY.replace("KMS132", "KMS903"), "about waivers themselves"),
    "an object that is none": (ENTRY.replace('"index extra"', "7"), "its object is no text"),
    "an unknown word": (ENTRY + 'objects = "x"\n', r"waiver 1 \(line 1\): there is no 'objects'"),
    "an unknown table": (ENTRY.replace("[[waiver]]", "[[waivers]]"), "there is no 'waivers'"),
    "one table": (ENTRY.replace("[[waiver]]", "[waiver]"), r"begins \[\[waiver\]\]"),
    "the same twice": (ENTRY + ENTRY, r"waiver 2 \(line 6\): it repeats .*waiver 1 \(line 1\)"),
    "the second of two": (ENTRY + ENTRY.replace("extra", "b").replace("KMS132", "KMS1"), r"waiver 2 \(line 6\): there"),
    "no TOML": (ENTRY + "expires = \n", r"is not TOML: .*line 6"),
    "in a line": ("waiver = [{code = 'KMS132'}]", "waivers.toml, waiver 1: it has no reason"),
}


@pytest.mark.parametrize(("text", "message"), UNUSABLE.values(), ids=list(UNUSABLE))
def test_what_cannot_be_used_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WaiverError, match=message):
        read_waivers(file_of(tmp_path, text))


def test_a_file_in_another_encoding_is_said_to_be_no_toml(tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_bytes("# Schlüssel\n".encode("latin-1"))
    with pytest.raises(WaiverError, match="is not TOML"):
        read_waivers(file)
