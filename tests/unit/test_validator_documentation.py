"""docs/validator.md lists the codes as the program has them."""

import re

from kms_schema.validation import CODES
from kms_schema.validation.findings import severity_of
from tests.engines.programs import REPOSITORY

PAGE = (REPOSITORY / "docs" / "validator.md").read_text(encoding="utf-8")
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
