"""The documents in the order of a reader, from an empty folder: each page sets up what it starts from."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.docs.readers import Block, Reader, blocks_of, section
from tests.support.engines import Database
from tests.support.engines.postgresql import psycopg_url
from tests.support.engines.programs import REPOSITORY
from tests.support.statements import execute

README = blocks_of((REPOSITORY / "README.md").read_text(encoding="utf-8"))
SHELL = {"sqlite": "On SQLite", "postgresql": "On PostgreSQL"}


def commands(blocks: list[Block]) -> int:
    return sum(len(block.text.splitlines()) for block in blocks)


@pytest.mark.parametrize("title", SHELL.values())
def test_a_first_row_takes_at_most_fifteen_commands(title: str) -> None:
    assert commands(section("quickstart.md", "Install")) + commands(section("quickstart.md", title)) <= 15


@pytest.fixture
def server(empty_database: Database) -> Iterator[Database]:
    """An engine without anything that the pages make, before the test or after it."""
    yield empty_database
    if empty_database.dialect == "postgresql":
        with closing(empty_database.connect()) as connection:
            for name in ("kms_quickstart",):
                execute(connection, f"DROP DATABASE IF EXISTS {name}")


def test_the_pages_from_the_first_to_the_last(server: Database, tmp_path: Path) -> None:
    address = sa.make_url(server.url)
    here = {}
    if server.dialect == "postgresql":
        for name in ("postgres", "kms_quickstart"):
            here[f"postgresql://localhost/{name}"] = f"'{psycopg_url(address.set(database=name))}'"
    if server.dialect == "sqlite":
        newcomer = Reader(tmp_path)
        said = newcomer.types(block for block in README[3:] if block.language)
        assert "\nDE89 3704\n" in said
        assert "\nsound\n" in said
        assert "\nno drift" in said
    (tmp_path / "quickstart").mkdir()
    reader = Reader(tmp_path / "quickstart", here)
    said = reader.types([*section("quickstart.md", SHELL[server.dialect]), *section("quickstart.md", "From Python")])
    assert said.endswith("\nsound\nDE89 3704\n")
