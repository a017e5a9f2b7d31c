"""Python files have at most 300 lines.

tests/house/long_files.txt lists the longer ones with their lines. The list and its numbers may only shrink.
"""

from support.engines.programs import REPOSITORY

LIMIT = 300
LONG = REPOSITORY / "tests" / "house" / "long_files.txt"
FOLDERS = ("kms_schema", "migrations", "scripts", "tools", "benchmarks", "support", "tests", "examples")


def lines_by_file() -> dict[str, int]:
    """Return the number of lines of each Python file, by its path."""
    files = (file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*.py"))
    return {str(file.relative_to(REPOSITORY)): file.read_text(encoding="utf-8").count("\n") for file in files}


def listed() -> dict[str, int]:
    """Return the lines that a file of the list may have, by its path."""
    entries = [line.split() for line in LONG.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {path: int(lines) for lines, path in entries}


def test_no_file_is_longer() -> None:
    allowed = listed()
    longer = {path: lines for path, lines in lines_by_file().items() if lines > allowed.get(path, LIMIT)}
    assert longer == {}, "split them by subject"


def test_the_list_has_only_longer_files() -> None:
    found = lines_by_file()
    shorter = [path for path in listed() if found.get(path, 0) <= LIMIT]
    assert shorter == [], f"these are short now: delete them from {LONG.name}"
