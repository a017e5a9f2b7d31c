"""docs/validator.md lists the codes and the formats as the program has them, with examples that it wrote."""

import re
import tomllib
from datetime import date

from kms_schema import Waiver, written
from kms_schema.validation import CODES
from kms_schema.validation.findings import severity_of
from kms_schema.validation.formats import FORMATS
from tests import validator_examples
from tests.sample_reports import EXTRA, USUAL

PAGE = validator_examples.PAGE.read_text(encoding="utf-8")
DIFFERENCES = {"1": "missing", "2": "unexpected", "3": "changed", "4": "renamed"}


def test_every_code_is_listed_with_its_severity_and_meaning() -> None:
    listed = {
        code: (severity, title) for code, severity, title in re.findall(r"\| `(KMS\d+)` \| (\w+) \| (.+) \|", PAGE)
    }
    kinds = dict(re.findall(r"\| (\d\d) \| ([a-z ]+) (?=\|)", PAGE))
    for digits, kind in kinds.items():
        for last, difference in DIFFERENCES.items():
            code = f"KMS{digits}{last}"
            listed[code] = ("info" if code == "KMS232" else "error", f"{kind} {difference}")
    assert listed == {code: (str(severity_of(code)), title) for code, title in CODES.items()}


def test_the_examples_are_what_the_program_writes() -> None:
    advice = "run: python -m tests.validator_examples"
    assert validator_examples.regenerate(PAGE) == PAGE, advice
    assert validator_examples.HTML.read_text(encoding="utf-8") == written(USUAL, "html") + "\n", advice


def test_every_format_is_listed_and_shown() -> None:
    for style in FORMATS:
        assert f"\n| `{style}` | " in PAGE
    assert re.findall(r"<!-- example: (\w+) -->", PAGE) == [style for style in FORMATS if style != "html"]


def test_the_waiver_of_the_page_is_one() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (entry,) = tomllib.loads(block)["waiver"]
    waiver = Waiver(**entry)
    assert waiver.covers(EXTRA)
    assert waiver.expires == date(2027, 1, 31)
