"""The registry of rules: each code has an entry, a check, and a test that names it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kms_schema.validator.rules import ENTRIES, OF_ATTRIBUTES, OF_OBJECTS, RULES, Remediation, Rule, Scope
from support.engines.programs import REPOSITORY

VALIDATOR = REPOSITORY / "kms_schema" / "validator"
REGISTRY = "kms_schema/validator/rules"
READERS = ("formats/", "protections.py", "remediation/", "report.py", "rules/")
"""The modules that name codes without producing findings of them."""
NAMED = re.compile(r"""["'](KMS\d{3})["']""")


def codes_in(folder: Path, *suffixes: str) -> dict[str, Path]:
    """Return the codes that stand in quotes in the files of a folder, each with the last file that has it."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in suffixes and path != Path(__file__))
    return {code: path for path in files for code in NAMED.findall(path.read_text(encoding="utf-8"))}


def faults() -> Iterator[str]:
    """Yield what is missing of each code, with where to add it."""
    for code, times in Counter(rule.code for rule in ENTRIES).items():
        if times > 1:
            yield f"{code} has {times} entries: keep one in {REGISTRY}"
    for code, path in codes_in(REPOSITORY / "kms_schema", ".py", ".sql").items():
        if code not in RULES:
            yield f"{code} has no entry: add a Rule to {REGISTRY}, as {path.relative_to(REPOSITORY)} has the code"
    produced = {*OF_OBJECTS.values(), *OF_ATTRIBUTES.values()}
    for path in VALIDATOR.rglob("*"):
        if path.suffix in (".py", ".sql") and not path.relative_to(VALIDATOR).as_posix().startswith(READERS):
            produced |= set(NAMED.findall(path.read_text("utf-8")))
    tested = {code for folder in ("tests", "support") for code in codes_in(REPOSITORY / folder, ".py")}
    tested |= {*OF_OBJECTS.values()}
    for code, rule in RULES.items():
        if code not in produced:
            yield f"{code} has no check: produce it in kms_schema/validator, name its attributes, or delete its entry"
        if code not in tested:
            yield f"{code} has no test: add one under tests that makes a database have the finding, and name the code"
        yield from faults_of(rule)


def faults_of(rule: Rule) -> Iterator[str]:
    """Yield what is wrong with an entry itself."""
    if not re.fullmatch(r"KMS\d{3}", rule.code):
        yield f"{rule.code} is not written like KMS123"
    if not rule.title or not rule.impact:
        yield f"{rule.code} needs a title, a severity, a remediation and an impact, in this order"
    if rule.remediation is Remediation.MANUAL and not rule.help:
        yield f"{rule.code} has no SQL that fixes it: say in its `help` what to do"
    if not (REPOSITORY / "docs" / f"{rule.page}.md").is_file():
        yield f"{rule.code} has the page {rule.page}, which docs/ has not"
    if rule.scope is Scope.POSTURE and not rule.expected:
        yield f"{rule.code} needs an `expected`, as its query has none"


def test_every_code_has_an_entry_a_check_and_a_test() -> None:
    found = list(faults())
    assert not found, "\n".join(found)


def test_every_module_that_only_reads_codes_exists() -> None:
    assert [name for name in READERS if not (VALIDATOR / name).exists()] == []


def test_titles_are_different() -> None:
    assert [title for title, times in Counter(rule.title for rule in RULES.values()).items() if times > 1] == []
