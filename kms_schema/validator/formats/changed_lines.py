"""The changed lines of a finding whose two sides are long texts."""

import difflib

from kms_schema.text.printable import in_lines
from kms_schema.validator.diff.findings import Finding


def changed_lines(finding: Finding) -> list[str]:
    """Return the unified diff of the two sides without its header: `-` is expected, `+` is actual."""
    expected, actual = (in_lines(side).split("\n") for side in (finding.expected, finding.actual))
    return list(difflib.unified_diff(expected, actual, lineterm="", n=1))[2:]
