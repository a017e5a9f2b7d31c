"""What does not show is written out, in names and in bodies; what shows is left alone."""

import json
import tomllib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms_schema.text.printable import in_a_line, in_lines
from support.sample_reports import HIDDEN
from tests.validator.texts import ANY_TEXT

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@pytest.mark.parametrize("text", ["", "key_masters", "schlüssel_größe", "鍵", "a'b\"c\\d<e>&", "🔑"])
def test_what_shows_is_left_alone(text: str) -> None:
    assert in_a_line(text) == text == in_lines(text)


@pytest.mark.parametrize("character", HIDDEN.replace("[2J", "").replace("31m", ""), ids=ascii)
def test_what_does_not_show_is_written_out(character: str) -> None:
    assert in_a_line(f"a{character}b").isascii()
    assert in_lines(f"a{character}b") == in_a_line(f"a{character}b")


def test_line_breaks_and_tabs_stay_in_bodies_only() -> None:
    assert in_lines("a\n\tb\r\n") == "a\n\tb\\r\n"
    assert in_a_line("a\n\tb\r\n") == "a\\n\\tb\\r\\n"


@given(ANY_TEXT)
def test_no_text_gets_through_that_could_fool_anybody(text: str) -> None:
    shown = in_a_line(text)
    assert [character for character in shown if unicodedata.category(character) in HARMFUL] == []
    assert set(in_lines(text).replace("\n", "").replace("\t", "")) <= set(shown + in_a_line(text))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\\')))
def test_a_name_can_be_copied_from_a_report_into_json_and_toml(text: str) -> None:
    assert tomllib.loads(f'name = "{in_a_line(text)}"')["name"] == text
    if all(ord(character) < 0x10000 for character in text):
        assert json.loads(f'"{in_a_line(text)}"') == text
