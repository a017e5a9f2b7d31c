"""The page "your-schema": its commands, and its program, on a database of an application."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.engines import Database, Engine
from support.engines.postgresql import psycopg_url
from support.engines.programs import REPOSITORY
from tests.docs.readers import Block, Reader, blocks_of
from tests.validator.host.shop import fill

PAGE = blocks_of((REPOSITORY / "docs" / "your-schema.md").read_text(encoding="utf-8"))
URLS = ("postgresql://ci@localhost/app", "postgresql://monitor@db.example/app")


@pytest.fixture
def shop(engine: Engine) -> Iterator[Database]:
    database = engine.create()
    fill(database)
    yield database
    engine.drop(database)


@pytest.mark.only_on("postgresql")
def test_the_commands_of_the_page_and_its_program(shop: Database, tmp_path: Path) -> None:
    url = psycopg_url(sa.make_url(shop.url))
    reader = Reader(tmp_path, {shown: shlex.quote(url) for shown in URLS})
    said = reader.types(block for block in PAGE if block.language == "sh")
    assert "no drift: no findings" in said
    [program] = [block for block in PAGE if block.language == "python"]
    written = program.text.replace(URLS[1], url)
    assert written != program.text
    assert "no drift: no findings" in reader.types([Block("python", written)])
