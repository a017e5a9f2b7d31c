"""docs/importing.md: the successors of the former views' columns are columns of the views."""

import re
from contextlib import closing

import pytest

from support.engines import Database
from support.pages import Page, cells
from support.statements import execute

PAGE = Page("importing.md")
WORDS = {"keys", "rotations", "rotation_stats", "key_stats", "security_events", "key_masters", "key_rotations"}


@pytest.mark.parametrize("view", ["key_management_dashboard", "key_health_monitor"])
def test_each_successor_is_a_column_of_its_view(database: Database, view: str) -> None:
    lines = [cells(line) for line in PAGE.lines("Successors of the former views") if f"`{view}`" in line]
    named = {name for line in lines for name in re.findall(r"`(\w+)`", line[2])} - WORDS
    with closing(database.connect()) as connection:
        columns = {column[0] for column in execute(connection, f"SELECT * FROM {view}").description}  # noqa: S608
    assert len(named) > 10
    assert named - columns == set()
