"""The registry of rules: every code of the validator, declared once. Data only: nothing here reads a database.

A code never changes what it stands for. The tens give the kind of object, the last digit the difference: 1 missing, 2
unexpected, 3 changed, 4 renamed. From 5 on, and from 300, they are catalog attributes with a code of their own. Codes
from 400 are about the posture, from 500 about rows, from 600 about the probe, from 900 about the check itself.

A new code is an entry here, its check, and a test that names it; `python -m tools.validator_examples` writes it into
the page "validator" of the documentation.
"""

from collections.abc import Mapping

from kms_schema.validator.rules.checks import CHECK, PROBE, REVISION
from kms_schema.validator.rules.objects import ATTRIBUTES, DIFFERENCES, KINDS
from kms_schema.validator.rules.posture import POSTURE
from kms_schema.validator.rules.rows import ROWS
from kms_schema.validator.rules.rule import Remediation, Rule, Scope, Severity

__all__ = ["KINDS", "OF_ATTRIBUTES", "OF_OBJECTS", "RULES", "Remediation", "Rule", "Scope", "Severity"]

ENTRIES = (*REVISION, *(rule for _, codes in KINDS for rule in codes), *ATTRIBUTES, *POSTURE, *ROWS, *PROBE, *CHECK)
RULES: Mapping[str, Rule] = {rule.code: rule for rule in sorted(ENTRIES, key=lambda rule: rule.code)}
"""Every code, in order."""
OF_OBJECTS: Mapping[tuple[str, str], str] = {
    (name, difference): rule.code
    for names, codes in KINDS
    for name in names
    for difference, rule in zip(DIFFERENCES, codes, strict=True)
}
"""The code of each difference of each kind of object."""
OF_ATTRIBUTES: Mapping[tuple[str, str], str] = {
    attribute: rule.code for rule in RULES.values() for attribute in rule.attributes
}
"""The code of each attribute that has one of its own, by kind of object (or `*`) and attribute."""
