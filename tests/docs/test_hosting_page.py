"""docs/hosting.md: every file in it is the example application's, and every command in it is run."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.migrate import program
from kms_schema.migrate.options import MigrationOptions
from kms_schema.models import KeyMaster
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.shop import EXAMPLE, open_shop

PAGE = (REPOSITORY / "docs" / "hosting.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (?P<is>[\w ]+?)(?:: (?P<name>[\w./]+))? -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of code, and what the page's source says that it is."""

    kind: str
    name: str
    text: str


def blocks(*kinds: str) -> Iterator[Block]:
    for match in BLOCK.finditer(PAGE):
        if match["is"] in kinds:
            yield Block(match["is"], match["name"] or "", match["text"])


def test_every_block_has_a_known_kind() -> None:
    known = list(blocks("file", "run", "run on postgresql", "python", "python on postgresql"))
    assert len(known) == PAGE.count("\n```") / 2 == 13


@pytest.mark.parametrize("block", [*blocks("file")], ids=lambda block: block.name)
def test_a_file_is_the_example_applications(block: Block) -> None:
    assert block.text == (EXAMPLE / block.name).read_text(encoding="utf-8")


@pytest.mark.parametrize("ini", ["one_history.ini", "apart.ini"])
def test_the_commands_of_each_environment_work_one_after_the_other(
    empty_database: Database, tmp_path: Path, pytestconfig: pytest.Config, ini: str
) -> None:
    script = [block.text for block in blocks("run") if block.name == ini]
    assert script
    run(script, ini, empty_database, tmp_path / ini)
    if pytestconfig.getoption("--full"):
        take_back(empty_database, ini, tmp_path / ini)


@pytest.mark.only_on("postgresql")
def test_the_commands_for_another_schema_work(empty_database: Database, tmp_path: Path) -> None:
    for number, block in enumerate(blocks("run on postgresql")):
        run([block.text], block.name, empty_database, tmp_path / str(number))
        with empty_database.engine().begin() as connection:
            for statement in ("DROP SCHEMA kms, public CASCADE", "CREATE SCHEMA public"):
                connection.execute(sa.text(statement))


def run(script: list[str], ini: str, database: Database, folder: Path) -> None:
    """Run commands as a person would, in a copy of the example: with programs by their names."""
    shop = open_shop(folder, database, ini)
    programs = python.programs(folder / "programs")
    done = subprocess.run(
        ["bash", "-euc", "".join(script)],
        cwd=shop.folder,
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "SHOP_DATABASE_URL": database.url,
        },
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout


def take_back(database: Database, ini: str, folder: Path) -> None:
    open_shop(folder, database, ini).alembic("downgrade", "base")
    if ini == "apart.ini":
        program.downgrade(database.url, "base", MigrationOptions(version_table="kms_alembic_version"))


@pytest.mark.only_on("postgresql")
def test_the_models_find_their_schema(empty_database: Database) -> None:
    program.upgrade(empty_database.url, options=MigrationOptions(schema="kms"))
    (block,) = blocks("python on postgresql")
    names = {"url": empty_database.url}
    exec(compile(block.text, "hosting.md", "exec"), names)  # noqa: S102
    engine = names["engine"]
    assert isinstance(engine, sa.Engine)
    with sa.orm.Session(engine) as session:
        assert session.scalars(sa.select(KeyMaster)).all() == []
    engine.dispose()


def test_the_hooks_of_the_page_work_as_described() -> None:
    (block,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(block.text, "hosting.md", "exec"), names)  # noqa: S102
    hooks = names["hooks"]
    assert isinstance(hooks, dict)
    assert hooks.keys() == {"include_name", "include_object", "render_item"}
    include_name = hooks["include_name"]
    answers = {
        (name, schema): include_name(name, "table", {"schema_name": schema})
        for name in ("legacy_orders", "orders", "key_masters")
        for schema in ("kms", None)
    }
    assert answers == {
        ("legacy_orders", "kms"): False,
        ("legacy_orders", None): False,
        ("orders", "kms"): True,
        ("orders", None): True,
        ("key_masters", "kms"): False,
        ("key_masters", None): True,
    }
