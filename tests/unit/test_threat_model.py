"""docs/threat-model.md: every line names a test that there is, and rules, codes and attempts that there are."""

import ast
import re
from functools import cache

import pytest

from kms_schema import snapshots
from kms_schema.validation import CODES
from kms_schema.validation.probing.attempt import Attempt, Engine
from kms_schema.validation.probing.attempts import attempts
from tests.engines.programs import REPOSITORY
from tests.probing.sessions import NEWEST, expected_of

PAGE = (REPOSITORY / "docs" / "threat-model.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>test_\w+)(?:\[(?P<case>[^`\]]+)\])?`")


def lines(section: str) -> list[str]:
    """Return the lines of a section's tables, without their heads."""
    rows = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    heads = {number for number, row in enumerate(rows) if row.startswith("|---")}
    return [row for number, row in enumerate(rows) if not {number, number + 1} & heads]


ALL = [line for section in SECTIONS for line in lines(section)]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@cache
def functions_in(file: str) -> dict[str, str]:
    """Return the tests of a file, each with the text of the file, where its cases stand."""
    text = (REPOSITORY / file).read_text(encoding="utf-8")
    return {node.name: text for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("line", ALL, ids=lambda line: cells(line)[0])
def test_every_line_names_tests_that_there_are(line: str) -> None:
    named = list(NAMED.finditer(line))
    assert named, "name the test that does this"
    assert len(named) == line.count("::"), "a name is not written as the others are"
    for match in named:
        found = functions_in(match["file"])
        assert match["test"] in found
        assert f'"{match["case"]}"' in found[match["test"]] or match["case"] is None


@pytest.mark.parametrize("section", [section for section in SECTIONS if section.startswith("Refused")])
def test_what_is_refused_is_probed_or_it_is_said_why_not(section: str) -> None:
    engine: Engine = "sqlite" if section.endswith("SQLite") else "postgresql"
    made = {
        each.tries
        for each in attempts(engine, NEWEST[engine], expected_of(engine, snapshots.chain()[-1]))
        if isinstance(each, Attempt) and each.engine in {None, engine}
    }
    assert lines(section)
    for line in lines(section):
        probe = cells(line)[-1]
        assert re.fullmatch(r"“.+”|not probed: .+", probe), line
        assert probe.startswith("not probed") or probe.strip("“”") in made, probe


def test_rules_and_codes_are_those_of_the_package() -> None:
    sql = "\n".join(path.read_text(encoding="utf-8") for path in REPOSITORY.glob("kms_schema/sql/*/*.sql"))
    rules = set(re.findall(r"`((?:ck|uq|fk|pk|guard|protect|prevent)_[a-z0-9_]+)`", PAGE))
    assert len(rules) > 10
    assert sorted(rule for rule in rules if rule not in sql) == []
    assert set(re.findall(r"KMS\d+", PAGE)) <= CODES.keys()


ATTACKS = (
    "UPDATE", "DELETE", "ON CONFLICT DO UPDATE", "MERGE", "through a view", "through a CTE", "FK actions", "TRUNCATE",
    "TRUNCATE CASCADE", "session_replication_role, set by", "as a role or database setting", "DISABLE TRIGGER",
    "DROP TRIGGER", "DROP TABLE", "swapped function body", "extra muting trigger", "RULE", "inheritance child",
    "ALTER TYPE … USING", "SET UNLOGGED", "DROP and ADD COLUMN", "hijack of functions", "hijack of operators",
    "temp table that shadows", "forged id", "backdated", "forged sequence", "COPY", "logical replication apply",
    "catalog edits", "byte edits of the heap file", "pg_surgery", "rewrite everything and re-hash", "cut the tail",
    "INSERT OR REPLACE", "UPDATE OR REPLACE", "rowid", "foreign_keys OFF", "ignore_check_constraints",
    "negative sequence", "backdating", "writable_schema", "file edits", "copied file", "deleted `-wal`", "TEMP trigger",
    "TEMP table", "authorizer",
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_is_left_out(attack: str) -> None:
    assert any(attack in line for line in ALL)


def test_everybody_has_a_line() -> None:
    who = " ".join(cells(line)[0] for line in lines("Who"))
    for somebody in ("application", "writer", "owner", "superuser", "with the file", "host", "signing key", "proof"):
        assert somebody in who
