"""docs/validator.md lists the codes and the formats as the program has them, with examples that it wrote."""

import re
import tomllib
from datetime import date

from kms_schema import Waiver, render
from kms_schema.validator.formats import FORMATS
from support.sample_reports import EXTRA, USUAL
from tools import validator_examples

PAGE = validator_examples.PAGE.read_text(encoding="utf-8")


def test_the_examples_and_tables_of_codes_are_current() -> None:
    advice = "run: python -m tools.validator_examples"
    assert validator_examples.regenerate(PAGE) == PAGE, advice
    assert validator_examples.HTML.read_text(encoding="utf-8") == render(USUAL, "html") + "\n", advice


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
