"""The report as people read it: wrapped and coloured on a terminal, plain and stable in a pipe."""

import re

import pytest

from kms_schema import render
from kms_schema.validator import Report
from kms_schema.validator.formats import Layout
from support.sample_reports import USUAL, finding, hostile, report

WIDE = Layout(width=80)
LONG = " AND ".join(f"NEW.column_{number} IS OLD.column_{number}" for number in range(20))


def lines_of(made: Report, layout: Layout) -> list[str]:
    return render(made, "text", layout).split("\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_wider_than_the_terminal_but_sql_to_copy_and_long_names(width: int) -> None:
    made = report(*USUAL.findings, finding("KMS153", "function f()", f"a\n{LONG}", f"a\n{LONG} OR true"))
    for line in lines_of(made, Layout(width=width)):
        assert len(line) <= width or line.startswith("  fix:") or " " not in line.strip()


def test_sql_to_copy_is_never_broken() -> None:
    made = report(finding("KMS141", "trigger a.b", remediation=f"SELECT RAISE(ABORT, '{LONG[:300]}');"))
    assert f"  fix:      SELECT RAISE(ABORT, '{LONG[:300]}');" in lines_of(made, WIDE)


def test_a_long_name_is_not_broken() -> None:
    name = "x" * 100
    assert name in render(report(finding("KMS132", f"index {name}")), "text", WIDE)


def test_wrapped_and_plain_say_the_same() -> None:
    def words(layout: Layout) -> list[str]:
        return plain(render(USUAL, "text", layout)).split()

    assert words(Layout()) == words(WIDE) == words(Layout(colour=True, width=50))


def test_the_last_line_is_the_verdict_and_short() -> None:
    for layout in (Layout(), WIDE):
        assert lines_of(USUAL, layout)[-1] == "drift detected: 1 error, 1 warning; 1 waived"
    assert lines_of(USUAL, Layout(width=40))[-2:] == ["drift detected: 1 error, 1 warning; 1", "  waived"]
    assert len(lines_of(report(), Layout())) == 2


def test_colour_is_of_the_terminal_and_of_no_name() -> None:
    text = render(hostile(), "text", Layout(colour=True, width=80))
    assert set(re.findall(r"\x1b.{0,5}?[a-zA-Z]", text)) == {"\x1b[31m", "\x1b[1m", "\x1b[0m", "\x1b[1;31m"}
    assert "\x1b" not in render(hostile())


def test_a_long_text_is_shown_as_a_difference_line_by_line() -> None:
    text = render(report(finding("KMS153", "function f()", "BEGIN\n  x\nEND", "BEGIN\n  y\nEND")))
    assert "  expected (-) and actual (+):\n    @@ -1,3 +1,3 @@\n     BEGIN\n    -  x\n    +  y\n     END\n" in text


def test_a_carriage_return_is_a_difference_that_shows() -> None:
    text = render(report(finding("KMS153", "function f()", "BEGIN\nEND", "BEGIN\r\nEND")))
    assert "    -BEGIN\n    +BEGIN\\r\n" in text


def test_of_two_long_lines_the_part_that_differs_is_shown() -> None:
    changed = LONG.replace("OLD.column_12 ", "OLD.column_13 ")
    expected, actual = lines_of(report(finding("KMS143", "trigger a.b", LONG, changed)), Layout())[2:4]
    assert (
        expected
        == "  expected: … OLD.column_11 AND NEW.column_12 IS OLD.column_12 AND NEW.column_13 IS OLD.column_13 AND …"
    )
    assert (
        actual
        == "  actual:   … OLD.column_11 AND NEW.column_12 IS OLD.column_13 AND NEW.column_13 IS OLD.column_13 AND …"
    )


def test_a_long_line_is_cut_between_words_and_says_so() -> None:
    made = report(finding("KMS141", "trigger a.b", LONG, "missing"), finding("KMS141", "trigger a.c", "x" * 500, "y"))
    end = LONG.rindex(" ", 0, 201)
    text = render(made)
    assert f"  expected: {LONG[:end]} … ({len(LONG) - end} more characters: --format html)\n" in text
    assert LONG[end - 3] != " "
    assert f"  expected: {'x' * 200} … (300 more characters: --format html)\n" in text


def test_of_many_that_went_with_it_the_first_are_named() -> None:
    text = render(report(finding("KMS101", "table a", also=tuple(f"column a.{letter}" for letter in "abcdefghij"))))
    assert "column a.g, column a.h and 2 more" in text
