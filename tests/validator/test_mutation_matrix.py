"""docs/validator-matrix.md has every kind of mutation that the suite has, and nothing on it was missed."""

import re

import pytest

from tests.validator.mutations import __main__ as program
from tests.validator.mutations.dialects import kinds_on
from tests.validator.mutations.matrix import HEAD, PAGE, sections

TABLES = sections(PAGE.read_text(encoding="utf-8"))
ROW = re.compile(
    r"^\| (?P<kind>.+?) \| (?P<tried>\d+|-) \| (?P<found>\d*) \| (?P<fixed>\d*) \| (?P<manual>\d*) \|$", re.M
)


def test_the_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8").startswith(HEAD)
    assert {"sqlite", "postgresql-13", "postgresql-15", "postgresql-18"} <= TABLES.keys()


@pytest.mark.parametrize("engine", TABLES)
def test_every_kind_is_listed(engine: str) -> None:
    listed = [row["kind"] for row in ROW.finditer(TABLES[engine])]
    assert listed == [*(kind.name for kind in kinds_on(engine)), "**all**"]


@pytest.mark.parametrize("engine", TABLES)
def test_everything_was_found_and_fixed_or_is_said_to_be_beyond_fixing(engine: str) -> None:
    for row in ROW.finditer(TABLES[engine]):
        if row["tried"] != "-":
            assert row["found"] == row["tried"], row["kind"]
            assert int(row["fixed"] or 0) + int(row["manual"] or 0) == int(row["tried"]), row["kind"]


def test_a_pattern_of_no_kind_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["mutations", "--engine", "sqlite", "--kind", "policy:*"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    assert "no kind of mutation matches 'policy:*' on sqlite" in capsys.readouterr().err
