"""Every format: it follows its published schema, says the same, and nothing in a name gets out of its place."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from lxml import etree

from kms_schema import render
from kms_schema.text.printable import in_a_line
from kms_schema.validator import RULES, Report, Severity
from kms_schema.validator.formats import FORMATS, Layout
from support.sample_reports import (
    COLUMN,
    DISABLED,
    EXTRA,
    HIDDEN,
    HOSTILE,
    OWNER,
    TABLE,
    TRIGGER,
    USUAL,
    finding,
    hostile,
    report,
)
from tests.validator.report_schemas import junit_schema, sarif_validator
from tests.validator.texts import ANY_TEXT

UNKNOWN = finding("KMS901", "revision of the database", actual="unknown: no privilege to read it")
GONE = finding("KMS101", "table key_rotations", also=("column key_rotations.id",))
REPORTS = {
    "clean": report(),
    "usual": USUAL,
    "hostile": hostile(),
    "unknown": report(UNKNOWN),
    "together": report(GONE, finding("KMS301", TABLE), finding("KMS302", TABLE)),
    "nothing compared": report(finding("KMS001", "revision of the database"), checked=(), compared_with=None),
    "without a time": report(checked_at=None, database=""),
}
EVERY_REPORT = pytest.mark.parametrize("made", REPORTS.values(), ids=list(REPORTS))


def junit(made: Report, fail_on: Severity = Severity.ERROR) -> Any:
    root = etree.fromstring(render(made, "junit", Layout(fail_on)).encode())
    junit_schema().assertValid(root)
    return root


def outcome(root: Any, name: str) -> dict[str, str]:
    """Return what came of a test case: tags of its outcome, each with its message or text."""
    (case,) = root.xpath("//testcase[@name=$name]", name=name)
    return {child.tag: child.get("message") or child.text for child in case}


def sarif(made: Report) -> Any:
    log = json.loads(render(made, "sarif"))
    assert [error.message for error in sarif_validator().iter_errors(log)] == []
    return log["runs"][0]


def test_there_is_no_other_format() -> None:
    with pytest.raises(ValueError, match="no format 'xml', only text, json"):
        render(report(), "xml")


@EVERY_REPORT
@pytest.mark.parametrize("style", FORMATS)
def test_nothing_that_could_fool_a_terminal_is_in_any_format(made: Report, style: str) -> None:
    text = render(made, style)
    assert [character for character in text if not character.isprintable() and character not in "\n\t"] == []
    assert set(text) & set(HIDDEN.replace("[2J", "").replace("31m", "")) == set()


@pytest.mark.parametrize("style", FORMATS)
def test_every_format_says_each_finding_and_what_is_waived(style: str) -> None:
    text = render(USUAL, style)
    for part in (DISABLED.code, DISABLED.object, EXTRA.code, EXTRA.object, "2027-01-31", "goes with TICKET-7"):
        assert part in text
    assert render(USUAL, style) == text


# JUnit


@EVERY_REPORT
@pytest.mark.parametrize("fail_on", [Severity.ERROR, Severity.WARNING])
def test_junit_follows_its_schema_and_counts_right(made: Report, fail_on: Severity) -> None:
    root = junit(made, fail_on)
    for element in (root, *root.iter("testsuite")):
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert element.get(name) == str(len(element.findall(f".//{tag}")))
    assert len({(case.get("classname"), case.get("name")) for case in root.iter("testcase")}) == int(root.get("tests"))
    assert bool(root.xpath("//failure | //error")) == made.fails(fail_on)


def test_junit_has_a_case_for_each_object_and_those_without_findings_pass() -> None:
    root = junit(USUAL)
    assert outcome(root, COLUMN) == {}
    assert outcome(root, "revision of the database") == {}
    assert outcome(root, TRIGGER)["failure"].startswith("KMS145 trigger enablement changed: the trigger does not fire")
    assert outcome(root, EXTRA.object) == {
        "skipped": "KMS132 index unexpected, waived until 2027-01-31: the reporting team's; goes with TICKET-7"
    }
    assert [suite.get("name") for suite in root] == [
        "revision", "column", "materialized view", "table", "trigger", "posture", "index",
    ]  # fmt: skip


def test_junit_lets_a_warning_pass_unless_it_is_to_fail() -> None:
    name = f"{OWNER.object}: {OWNER.title}"
    assert outcome(junit(USUAL), name)["system-out"].startswith("warning KMS411 role kms: the owner role has LOGIN")
    assert outcome(junit(USUAL, Severity.WARNING), name).keys() == {"failure"}


def test_junit_lists_the_bypasses_that_were_not_found() -> None:
    names = {case.get("name") for case in junit(USUAL).iter("testcase")}
    assert "not found: superusers exist" in names
    assert "not found: the owner role has LOGIN" not in names
    unasked = report(not_checked=frozenset(code for code in RULES if code.startswith("KMS4")))
    assert "posture" not in [suite.get("name") for suite in junit(unasked)]


def test_junit_does_not_let_pass_what_could_not_be_checked() -> None:
    made = report(UNKNOWN)
    assert "could not run: unknown: no privilege" in outcome(junit(made), UNKNOWN.object)["skipped"]
    assert outcome(junit(made, Severity.WARNING), UNKNOWN.object).keys() == {"error", "system-out"}


def test_junit_skips_what_went_with_another_object_or_was_left_out() -> None:
    made = report(GONE, DISABLED, checked=(*GONE.also, GONE.object, TRIGGER)).only([], ["KMS145"])
    assert outcome(junit(made), GONE.also[0]) == {"skipped": "changed with table key_rotations: KMS101 table missing"}
    assert "left out by --select or --ignore" in outcome(junit(made), TRIGGER)["skipped"]


def test_junit_has_one_failure_for_two_findings_of_an_object() -> None:
    root = junit(REPORTS["together"])
    (failure,) = root.xpath("//testcase[@name=$name]/failure", name=TABLE)
    assert failure.get("type") == "KMS301 KMS302"
    assert failure.text.count("\n  expected: ") == 2


@given(ANY_TEXT)
@settings(deadline=None, max_examples=50)
def test_junit_holds_any_name(name: str) -> None:
    made = hostile(name or "x")
    assert in_a_line(made.findings[0].object) in {case.get("name") for case in junit(made).iter("testcase")}


# SARIF


@EVERY_REPORT
def test_sarif_follows_its_schema(made: Report) -> None:
    run = sarif(made)
    assert len(run["results"]) == len(made.findings) + len(made.waived)


def test_sarif_has_a_rule_with_help_for_each_code() -> None:
    rules = sarif(report())["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(RULES)
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    for rule in rules:
        assert rule["defaultConfiguration"]["level"] == levels[RULES[rule["id"]].severity]
        assert RULES[rule["id"]].impact in rule["help"]["text"]
    assert len({rule["name"] for rule in rules}) == len(rules)


def test_sarif_results_point_to_their_rule_and_to_an_object_and_to_no_file() -> None:
    run = sarif(USUAL)
    disabled, owner, extra = run["results"]
    assert (disabled["level"], owner["level"]) == ("error", "warning")
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert [list(location) for location in result["locations"]] == [["logicalLocations"]]
    assert disabled["locations"][0]["logicalLocations"] == [
        {"kind": "trigger", "name": "prevent_update", "fullyQualifiedName": "public.key_audit_logs.prevent_update"}
    ]
    assert owner["locations"][0]["logicalLocations"] == [
        {"kind": "role", "name": "kms", "fullyQualifiedName": "role kms"}
    ]
    assert "suppressions" not in disabled
    (suppression,) = extra["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    assert suppression["justification"] == "the reporting team's; goes with TICKET-7"
    assert suppression["properties"] == {"expires": "2027-01-31"}


def test_a_sarif_fingerprint_is_that_of_the_finding_whatever_its_details() -> None:
    prints = [
        sarif(report(found))["results"][0]["partialFingerprints"]["codeAndObject/v1"]
        for found in (finding("KMS145", "a"), finding("KMS145", "a", actual="x"), finding("KMS145", "b"))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_a_sarif_message_has_no_placeholder_and_no_link_that_a_name_brings() -> None:
    (result,) = sarif(report(finding("KMS132", "index [press here](https://evil.example) {0}\x1b[2J")))["results"]
    assert result["message"]["text"].startswith("index [press here] (https://evil.example) {{0}}\\u001b[2J: ")
    assert result["properties"]["object"] == "index [press here](https://evil.example) {0}\x1b[2J"


def test_sarif_and_json_keep_names_as_they_are() -> None:
    assert sarif(hostile())["results"][0]["properties"]["object"] == HOSTILE
    document = json.loads(render(hostile(), "json"))
    assert document["findings"][0]["object"] == HOSTILE
    assert document["waived"][0]["reason"] == HOSTILE
    assert document["schema"] == HOSTILE


# GitHub


@pytest.mark.parametrize("made", [USUAL, hostile()], ids=["usual", "hostile"])
def test_github_gets_one_command_for_each_finding_and_no_other(made: Report) -> None:
    lines = render(made, "github").split("\n")
    assert len(lines) == len(made.findings) + len(made.waived) + 2
    commands = [line for line in lines if line.startswith("::")]
    assert commands == lines[:-2]
    told = [*made.worst_first, *(each.finding for each in made.waived)]
    for command, found in zip(commands, told, strict=True):
        match = re.fullmatch(r"::(?:error|warning|notice) title=([^:,]*)::(.*)", command)
        assert match is not None
        assert unquote(match[1]) == in_a_line(f"{found.code} {found.object}")
        assert unquote(match[2]).startswith(found.title)


# HTML


# JSON


def test_json_says_when_and_where() -> None:
    document = json.loads(render(USUAL, "json"))
    assert datetime.fromisoformat(document["checked_at"]) == datetime(2026, 11, 25, 11, 30, tzinfo=UTC)
    assert (document["database"], document["checked"]) == ("kms at db.example:5432", 5)
    assert [each["code"] for each in document["waived"]] == ["KMS132"]
    assert document["summary"] == {"error": 1, "warning": 1, "info": 0}
