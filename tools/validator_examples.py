"""Writes the examples and the tables of codes of docs/validator.md.

    python -m tools.validator_examples        rewrites them, and docs/validator-report.html

Each example is between `<!-- example: NAME -->` and `<!-- end -->`; the tables are those of `tools.documentation`. A
test compares the page with the output of this module.
"""

import json
import re
from dataclasses import replace

from kms_schema import render
from kms_schema.validator.rules import RULES, Scope
from support.engines.programs import REPOSITORY
from support.sample_reports import TRIGGER, USUAL
from tools import documentation

PAGE = REPOSITORY / "docs" / "validator.md"
HTML = REPOSITORY / "docs" / "validator-report.html"

_EXAMPLE = re.compile(r"(<!-- example: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_POSTURE = frozenset(code for code, rule in RULES.items() if rule.scope is Scope.POSTURE)
_ELSEWHERE = _POSTURE - {"KMS411", "KMS414", "KMS418"}
"""Codes that the example omits: each would be a line of JUnit."""
_LANGUAGES = {"junit": "xml", "sarif": "json", "github": "text"}


def example(style: str) -> str:
    """Return a report in a format as a block of Markdown; for SARIF only the waived result, since the rest is long."""
    small = replace(USUAL, checked=("table key_masters", TRIGGER), not_checked=_ELSEWHERE)
    text = render(small, style)
    if style == "sarif":
        text = json.dumps(json.loads(text)["runs"][0]["results"][-1], indent=2)
    return f"```{_LANGUAGES.get(style, style)}\n{text}\n```"


def regenerate(page: str) -> str:
    """Return the page with its examples and tables regenerated."""
    page = _EXAMPLE.sub(lambda match: f"{match[1]}{example(match['name'])}\n{match[3]}", page)
    return documentation.regenerate(page)


if __name__ == "__main__":
    PAGE.write_text(regenerate(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    HTML.write_text(render(USUAL, "html") + "\n", encoding="utf-8")
