"""The cells of the matrix that `.ci/run` runs cover every version."""

import itertools
import re
import tomllib
from argparse import Namespace

import pytest

from support.engines import parse_names
from support.engines.install import SQLITE_PACKAGES
from support.engines.programs import NPM_VERSIONS, REPOSITORY
from support.matrix import matrix

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_matrix_is_the_full_cross() -> None:
    assert len(set(matrix.EVERY_CELL)) == 2 * 3 * 9


def test_a_run_has_each_engine_once_and_each_python_with_each_sqlalchemy() -> None:
    cells = (*matrix.COVERING, *matrix.README_COMMAND)
    assert sorted(cell.engine for cell in cells) == sorted(matrix.ENGINES)
    pairs = {(cell.python, cell.sqlalchemy) for cell in cells}
    assert pairs == set(itertools.product(matrix.PYTHONS, matrix.LIBRARIES))


def test_the_last_step_of_a_run_covers_the_rest_of_the_matrix() -> None:
    run = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    engines, python = re.search(r"KMS_TEST_ENGINES=(\S+)", run)[1], re.search(r"PYTHON:-python([\d.]+)", run)[1]
    assert sorted(parse_names(engines)) == sorted(cell.engine for cell in matrix.README_COMMAND)
    newest = list(matrix.LIBRARIES)[-1]
    assert {(cell.python, cell.sqlalchemy) for cell in matrix.README_COMMAND} == {(python, newest)}


def test_the_engines_are_those_that_can_be_had() -> None:
    assert parse_names(",".join(matrix.ENGINES)) == matrix.ENGINES
    postgresql = {f"postgresql-{major}" for major in NPM_VERSIONS}
    known = sorted(SQLITE_PACKAGES, key=lambda version: [*map(int, version.split("."))])
    assert set(matrix.ENGINES) == {*postgresql, "sqlite", f"sqlite-{known[0]}", f"sqlite-{known[-1]}"}


def test_the_oldest_libraries_are_the_oldest_that_the_package_allows() -> None:
    pinned = dict(re.fullmatch(r"(\w+)(?:\[\w+\])?==(\S+)", each).groups() for each in matrix.LIBRARIES["2.0.36"])
    for requirement in PROJECT["dependencies"]:
        name, lowest = re.match(r"(\w+)>=([\d.]+)", requirement).groups()
        assert pinned[name].startswith(lowest), requirement


@pytest.mark.parametrize("paths", [matrix.WHOLE, matrix.OLDEST, matrix.QUICK])
def test_the_selected_tests_are_there(paths: tuple[str, ...]) -> None:
    named = [path.removeprefix("--ignore=") for path in paths]
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_names_that_leave_no_cell_are_an_error() -> None:
    covering = Namespace(covering=True, quick=False, only="postgresql-14,python3.13")
    with pytest.raises(matrix.UnavailableError, match="no cell of --covering is postgresql-14,python"):
        matrix.choose(covering)
