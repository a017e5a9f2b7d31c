"""docs/releases.md: the supported versions are those that pyproject.toml allows and that the matrix tests."""

import re
import tomllib

from kms_schema import __version__
from kms_schema.preflight.sqlite import OLDEST
from support.engines.programs import REPOSITORY
from support.matrix import matrix
from support.pages import Page
from tools.snapshot_files import SUPPORTED_POSTGRESQL

PAGE = Page("releases.md")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
VERSIONS = {
    cells[0]: (cells[1], cells[2].split(", "))
    for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.lines("Supported versions"))
}


def test_the_python_versions_are_those_of_the_package_and_of_the_matrix() -> None:
    supported, tested = VERSIONS["Python"]
    classified = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", each)]
    assert supported.split(", ") == classified
    assert PROJECT["requires-python"] == f">={classified[0]}"
    assert tested == list(matrix.PYTHONS)


def test_the_sqlalchemy_versions_are_those_of_the_package_and_of_the_matrix() -> None:
    supported, tested = VERSIONS["SQLAlchemy"]
    lowest, highest = supported.split(" to ")
    major, minor = map(int, highest.split("."))
    assert f"SQLAlchemy>={lowest},<{major}.{minor + 1}" in PROJECT["dependencies"]
    assert tested == list(matrix.LIBRARIES)


def test_the_engines_are_those_of_the_package_and_of_the_matrix() -> None:
    postgresql, of_postgresql = VERSIONS["PostgreSQL"]
    assert postgresql == ", ".join(map(str, SUPPORTED_POSTGRESQL))
    assert VERSIONS["SQLite"][0] == f"{OLDEST[0]}.{OLDEST[1]} and later"
    named = {f"postgresql-{each}" for each in of_postgresql} | {
        f"sqlite-{each}" if each[0].isdigit() else "sqlite" for each in VERSIONS["SQLite"][1]
    }
    assert named == set(matrix.ENGINES)


def test_this_version_has_an_upgrade_note() -> None:
    notes = [line.split("|")[1].strip() for line in PAGE.lines("Upgrade to a release")]
    assert __version__ in notes
    assert PROJECT["version"] == __version__
