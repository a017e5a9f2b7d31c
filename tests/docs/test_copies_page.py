"""docs/copies.md: each way to copy a database has a test, and each test that it names is there."""

import re

from support.engines.programs import REPOSITORY
from tests.docs.copies_page import PAGE

FOLDER = REPOSITORY / "tests" / "audit"
TRYING = ("test_failover.py", "test_restored_dumps.py", "test_subscribers.py")


def rows() -> list[list[str]]:
    """Return the cells of each way."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| method |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def named() -> set[tuple[str, str]]:
    return {tuple(row[3].strip("`").split("::")) for row in rows()}  # type: ignore[misc]


def functions_in(name: str) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", (FOLDER / name).read_text(encoding="utf-8"), re.MULTILINE))


def test_each_way_names_a_test_that_is_there() -> None:
    assert len(rows()) > 15
    assert {len(row) for row in rows()} == {4}
    assert [test for test in sorted(named()) if test[1] not in functions_in(test[0])] == []


def test_each_test_of_a_way_is_named() -> None:
    besides = {
        "test_the_statement_that_makes_room_takes_nothing_but_the_first_entry",
        "test_the_commands_of_the_page",
    }
    tried = {(name, test) for name in (*TRYING, "test_copied_files.py") for test in functions_in(name) - besides}
    assert tried - named() == set()
