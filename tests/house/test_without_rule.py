"""The rules that tools/without-rule takes out are still where its list says, and their tests are behaviour tests."""

import re
from collections import Counter
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.engines.programs import REPOSITORY

AREAS = {
    *(
        "deploying",
        "schema",
        "migrations",
        "validator",
        "audit",
        "reports",
        "crypto",
        "roots",
        "roles",
        "hardening",
        "rotations",
        "cli",
        "resilience",
        "keyring",
        "hsm",
        "inventory",
        "monitoring",
        "roots",
    )
}
NO_BEHAVIOUR = re.compile(
    r"/(mutations|docs)/|test_(\w+_page|readme|documentation|validator_documentation|entity_diagram|index_reasons"
    r"|mutation_matrix|squawk|plpgsql_check|imports|layout|lifecycle_sql|matrix|probe_coverage|recorded_(columns|heads)"
    r"|rights_definition|threat_model|test_migrations_script|wheel|golden_vectors|without_rule)\.py"
    r"|::test_\w*(snapshot|checksum|models_and_database_agree)"
)
"""Tests that compare texts (checksums, snapshots, pages, sources) and mutations: any change makes them fail."""


def load() -> ModuleType:
    loader = SourceFileLoader("without_rule", str(REPOSITORY / "tools" / "without-rule"))
    spec = spec_from_loader("without_rule", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


tool = load()
RULES: list[Any] = tool.rules()
EACH_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name.replace(" ", "-"))


@cache
def functions(file: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE))


def fault(rule: Any) -> str | None:
    """Return what is wrong with an entry, or None."""
    file, _, function = rule.test.partition("::")
    try:
        rule.removed_from(REPOSITORY)
    except tool.NotProven as error:
        return str(error)
    if not (REPOSITORY / file).is_file():
        return f"there is no file {file}"
    if function not in functions(REPOSITORY / file):
        return f"{file} has no function {function}"
    if NO_BEHAVIOUR.search(rule.test):
        return f"{rule.test} is no behaviour test"
    return None


@EACH_RULE
def test_the_rule_is_there_once_and_its_test_is_a_behaviour_test(rule: Any) -> None:
    assert fault(rule) is None


def test_there_are_forty_over_all_areas_and_both_engines() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) >= 40
    assert {rule.area for rule in RULES} == AREAS
    sql = [rule for rule in RULES if rule.path(REPOSITORY).suffix == ".sql"]
    for chosen, least in ((RULES, 15), (sql, 12)):
        counted = Counter(rule.engine for rule in chosen)
        assert counted.keys() == {"postgresql", "sqlite"}
        assert min(counted.values()) >= least


GOOD = {
    "name": "Counters never fall",
    "area": "schema",
    "engine": "sqlite",
    "file": "kms_schema/sql/sqlite/prevent_key_version_counter_decrease_trigger",
    "old": "WHERE NEW.usage_count < OLD.usage_count;",
    "new": "WHERE false;",
    "test": "tests/house/test_without_rule.py::test_a_bad_entry_has_a_clear_message",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file": "kms_schema/sql/sqlite/no_such_trigger"}, "there is no file kms_schema/sql/sqlite/no_such_trigger"),
        ({"file": "kms_schema/nothing.py"}, "there is no file kms_schema/nothing.py"),
        ({"old": "WHERE nothing"}, r".*decrease_trigger_v\d\d\.sql has the old text 0 times, not once"),
        ({"old": "RAISE"}, r".*decrease_trigger_v\d\d\.sql has the old text 3 times, not once"),
        (
            {"file": "kms_schema/__main__.py", "old": "    main(", "new": "  main(("},
            r"kms_schema/__main__\.py is no Python without the rule: .*",
        ),
        ({"test": "tests/house/test_nothing.py::test_x"}, r"there is no file tests/house/test_nothing\.py"),
        (
            {"test": "tests/house/test_without_rule.py::test_x"},
            r"tests/house/test_without_rule\.py has no function test_x",
        ),
        ({}, r"tests/house/test_without_rule\.py::\w+ is no behaviour test"),
    ],
)
def test_a_bad_entry_has_a_clear_message(change: dict[str, str], said: str) -> None:
    assert re.fullmatch(said, fault(tool.Rule(**GOOD | change)) or "")


@pytest.mark.parametrize("message", ["assert 1 == 2", "AssertionError: seen", "Failed: DID NOT RAISE <class 'X'>"])
def test_a_failed_assertion_proves_a_rule(message: str) -> None:
    assert tool.ASSERTED.match(message)


@pytest.mark.parametrize(
    "message", ["sqlite3.OperationalError: locked", "AssertionError: refused, but not by ck_x: ck_y"]
)
def test_an_exception_and_a_refusal_by_another_rule_prove_nothing(message: str) -> None:
    assert not tool.ASSERTED.match(message)


def test_words_of_no_rule_are_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--list"]):
        monkeypatch.setattr("sys.argv", ["without-rule", "--only", "no such words", *more])
        with pytest.raises(SystemExit) as ended:
            tool.main()
        assert ended.value.code == 2
        assert "no rule contains 'no such words'" in capsys.readouterr().err
