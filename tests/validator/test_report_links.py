"""Links of reports to the page of each code, where a copy of the documentation has an address."""

import json

import pytest
from click.testing import CliRunner
from lxml import etree

from kms_schema import render
from kms_schema.cli.validate import validate_command
from kms_schema.validator import RULES
from kms_schema.validator.formats import FORMATS, Layout
from support.sample_reports import USUAL
from tests.validator.report_schemas import junit_schema, sarif_validator

ADDRESS = "https://docs.example/kms-schema"
LINKED = Layout(docs_url=f"{ADDRESS}/")


@pytest.mark.parametrize("style", FORMATS)
def test_each_finding_leads_to_the_page_of_its_code(style: str) -> None:
    text = render(USUAL, style, LINKED).replace("%3A", ":")
    assert USUAL.findings
    assert [each.code for each in USUAL.findings if f"{ADDRESS}/codes/{each.code}.html" not in text] == []


@pytest.mark.parametrize("style", FORMATS)
def test_a_report_has_no_link_where_no_address_is_known(style: str) -> None:
    assert "codes/KMS" not in render(USUAL, style)


def test_sarif_has_the_help_of_each_rule_at_a_stable_address() -> None:
    document = json.loads(render(USUAL, "sarif", LINKED))
    rules = document["runs"][0]["tool"]["driver"]["rules"]
    assert [rule.get("helpUri") for rule in rules] == [f"{ADDRESS}/codes/{code}.html" for code in RULES]
    assert list(sarif_validator().iter_errors(document)) == []


def test_junit_with_links_follows_its_schema() -> None:
    assert junit_schema().validate(etree.fromstring(render(USUAL, "junit", LINKED).encode()))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "docs.example",
        "https://user:word@docs.example",
        'https://docs.example/">',
        "https://",
        "file://a",
    ],
)
def test_another_address_is_refused_before_a_database_is_opened(address: str) -> None:
    with pytest.raises(ValueError, match="without a login"):
        Layout(docs_url=address)
    words = ["--database-url", "sqlite:////nowhere/kms.db", "--docs-url", address]
    result = CliRunner().invoke(validate_command, words)
    assert result.exit_code == 2
    assert "--docs-url: the address of the documentation must be" in result.output
    assert "word" not in result.output
