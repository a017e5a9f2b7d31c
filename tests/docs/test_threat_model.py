"""docs/threat-model.md: every line names a test that there is, and rules, codes and attempts that there are."""

import re

import pytest

from kms_schema import snapshots
from kms_schema.validator.probe.attempt import Attempt, Engine
from kms_schema.validator.probe.every_attempt import attempts
from support.pages import Page, cells, faults_in_named_tests
from tests.validator.probe.sessions import NEWEST, expected_of

PAGE = Page("threat-model.md")


@pytest.mark.parametrize("line", PAGE.all_lines, ids=lambda line: cells(line)[0])
def test_every_line_names_tests_that_there_are(line: str) -> None:
    assert faults_in_named_tests(line) == []


@pytest.mark.parametrize("section", [section for section in PAGE.sections if section.startswith("Refused")])
def test_each_refusal_is_probed_or_has_a_reason(section: str) -> None:
    engine: Engine = "sqlite" if section.endswith("SQLite") else "postgresql"
    made = {
        each.tries
        for each in attempts(engine, NEWEST[engine], expected_of(engine, snapshots.chain()[-1]))
        if isinstance(each, Attempt) and each.engine in {None, engine}
    }
    assert PAGE.lines(section)
    for line in PAGE.lines(section):
        probe = cells(line)[-1]
        assert re.fullmatch(r"“.+”|not probed: .+", probe), line
        assert probe.startswith("not probed") or probe.strip("“”") in made, probe


def test_rules_and_codes_are_those_of_the_package() -> None:
    assert len(PAGE.rules) > 10
    assert PAGE.unknown_rules() == []
    assert PAGE.unknown_codes() == []


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
    assert any(attack in line for line in PAGE.all_lines)


def test_everybody_has_a_line() -> None:
    who = " ".join(cells(line)[0] for line in PAGE.lines("Attackers"))
    for somebody in ("application", "writer", "owner", "superuser", "with the file", "host", "signing key", "proof"):
        assert somebody in who
