"""The documents in the order of a reader, from an empty folder: each page sets up what it starts from."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engines import Database
from support.engines.programs import REPOSITORY
from tests.docs.readers import Block, Reader, addresses, alike, blocks_of, commands, forget, section
from tests.docs.shell_blocks import deploy
from tests.docs.verifying_page import BLOCKS, LET_IN

README = blocks_of((REPOSITORY / "README.md").read_text(encoding="utf-8"))
SHELL = {"sqlite": "On SQLite", "postgresql": "On PostgreSQL"}


def page(name: str) -> list[Block]:
    return blocks_of((REPOSITORY / "docs" / name).read_text(encoding="utf-8"))


def number_of_commands(title: str) -> int:
    """Return how many lines a section has to type; those that a backslash or an open quote continues are one."""
    blocks = [block for block in section("quickstart.md", title) if block.language == "sh"]
    return sum(not line.startswith(" ") for block in blocks for line in commands(block.text))


@pytest.mark.parametrize("title", SHELL.values())
def test_a_first_row_takes_at_most_fifteen_commands(title: str) -> None:
    assert number_of_commands("Install") + number_of_commands(title) <= 15


@pytest.mark.full  # needs the network
@pytest.mark.only_on("sqlite")
def test_a_wheel_of_a_clone_is_installed_as_the_quickstart_says(empty_database: Database, tmp_path: Path) -> None:
    del empty_database  # it says that the engine is asked for
    reader = Reader(tmp_path)
    reader.types([Block("sh", f"{sys.executable} -m pip wheel -q --no-deps -w . {REPOSITORY}\n")])
    assert "version" in reader.types(
        [*section("quickstart.md", "Install"), Block("sh", "venv/bin/kms-schema --version\n")]
    )


@pytest.fixture
def server(empty_database: Database) -> Iterator[Database]:
    """An engine without anything that the pages make, before the test or after it."""
    yield empty_database
    if empty_database.dialect == "postgresql":
        forget(empty_database)


def test_the_pages_from_the_first_to_the_last(server: Database, tmp_path: Path) -> None:
    here = addresses(server)
    if server.dialect == "sqlite":
        said = Reader(tmp_path).types(block for block in README[3:] if block.language)
        assert all(line in said.splitlines() for line in ("DE89 3704", "sound")), said
        assert "\nno drift" in said
    (tmp_path / "quickstart").mkdir()
    reader = Reader(tmp_path / "quickstart", here)
    titles = (SHELL[server.dialect], "Prove one entry", "From Python")
    said = reader.types(block for title in titles for block in section("quickstart.md", title))
    assert said.endswith("\nthe proof holds\nDE89 3704\n")
    assert json.loads((reader.folder / "proof.json").read_text("utf-8"))["entry"]["event_description"] == (
        "version activated: customers version 2"
    )
    if server.dialect == "sqlite":
        (tmp_path / "deployed").mkdir()
        keeper = Reader(tmp_path / "deployed")
        keeper.types(section("operations.md", "SQLite")[:1])
        owner = auditor = f"sqlite:///{tmp_path / 'trail.db'}"
    else:
        keeper = Reader(tmp_path, here)
        deploy(keeper, here["postgresql://shop@db.example.com/kms"].strip("'"))
        keeper.types([Block("sh", "export KMS_DATABASE_URL=postgresql://keeper@db.example.com/kms\n")])
        keeper.types([Block("sh", "psql \"$ADMIN_URL\" -c 'CREATE DATABASE kms_trail'\n")])
        owner = here["postgresql://postgres@db.example.com/kms_trail"].strip("'")
        auditor = here["postgresql://trail_auditor@db.example.com/kms_trail"].strip("'")
    rotation = [block for block in page("key-rotation.md") if block.language in ("sh", "python")]
    # On SQLite test_key_rotation_page.py types the others, from the same start; on PostgreSQL it has no roles.
    keeper.types(rotation if server.dialect == "postgresql" else rotation[:1])
    (tmp_path / "verifying").mkdir()
    environment = {"OWNER_URL": owner, "AUDIT_URL": auditor, "ADMIN_KMS_URL": owner}
    verifier = Reader(tmp_path / "verifying", environment=environment)
    kinds = ("sh",) if server.dialect == "sqlite" else ("sh", "sql")
    set_up, *blocks = [block for block in page("verifying.md") if block.language in kinds]
    verifier.types([set_up])
    if server.dialect == "postgresql":
        verifier.types([Block("sh", "kms-schema roles --apply\n")])
    shown = {Block("sh", text): output for text, output in BLOCKS}
    for block in sorted(
        blocks, key=lambda block: block.language != "sql"
    ):  # the owner creates the auditor's login first
        first = [] if LET_IN in block.text else [Block("sh", f"{LET_IN}\n")]
        assert alike(verifier.types([*first, block])) == alike(shown.get(block, ""))
