"""A page of docs/ whose tables name, line by line, the tests that hold what they say."""

import ast
import re
from dataclasses import dataclass
from functools import cache, cached_property

from kms_schema.validator.rules import RULES
from support.engines.programs import REPOSITORY

NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>test_\w+)(?:\[(?P<case>[^`\]]+)\])?`")
RULE = re.compile(r"`((?:ck|uq|fk|pk|guard|protect|prevent|validate|enforce|record|audit)_[a-z0-9_]+)`")


@dataclass(frozen=True)
class Page:
    """A page by its name in docs/."""

    name: str

    @cached_property
    def text(self) -> str:
        return (REPOSITORY / "docs" / self.name).read_text(encoding="utf-8")

    @cached_property
    def sections(self) -> dict[str, str]:
        return dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", self.text, re.DOTALL | re.MULTILINE))

    def lines(self, section: str) -> list[str]:
        """Return the lines of a section's tables, without their heads."""
        rows = [line for line in self.sections[section].splitlines() if line.startswith("|")]
        heads = {number for number, row in enumerate(rows) if row.startswith("|---")}
        return [row for number, row in enumerate(rows) if not {number, number + 1} & heads]

    @cached_property
    def all_lines(self) -> list[str]:
        return [line for section in self.sections for line in self.lines(section)]

    @cached_property
    def rules(self) -> set[str]:
        return set(RULE.findall(self.text))

    def unknown_rules(self) -> list[str]:
        """Return the rules that the page names and no SQL file does."""
        return sorted(self.rules - words_of_the_sql())

    def unknown_codes(self) -> list[str]:
        """Return the codes that the page names and the validator does not have."""
        return sorted(set(re.findall(r"KMS\d+", self.text)) - RULES.keys())


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@cache
def functions_in(file: str) -> dict[str, str]:
    """Return the tests of a file, each with the text of the file, where its cases stand; of no file, none."""
    path = REPOSITORY / file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {node.name: text for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def faults_in_named_tests(line: str) -> list[str]:
    """Return what is wrong with the tests that a line names: none at all, or one that is not there."""
    named = list(NAMED.finditer(line))
    if not named:
        return ["name the test that does this"]
    faults = [] if len(named) == line.count("::") else ["a name is not written as the others are"]
    for match in named:
        found = functions_in(match["file"])
        if match["test"] not in found:
            faults.append(f"there is no {match['file']}::{match['test']}")
        elif match["case"] is not None and f'"{match["case"]}"' not in found[match["test"]]:
            faults.append(f"{match['test']} has no case {match['case']!r}")
    return faults


@cache
def words_of_the_sql() -> frozenset[str]:
    """Return every word of the SQL that makes the schema: names of rules, tables and columns, and vocabularies."""
    files = REPOSITORY.glob("kms_schema/sql/**/*.sql")
    return frozenset(word for file in files for word in re.findall(r"\w+", file.read_text(encoding="utf-8")))
