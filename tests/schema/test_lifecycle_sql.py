"""SQL files follow from their sources: lifecycles from the vocabulary, lists of columns from the models."""

import re
from typing import Literal

import pytest
import sqlalchemy as sa

from kms_schema import sql
from kms_schema._version import __version__
from kms_schema.models import Base
from kms_schema.vocabulary import KEY_LIFECYCLE, ROTATION_LIFECYCLE
from support.engines import Database
from tools.derived_sql import texts
from tools.lifecycle_sql import postgresql_lifecycle, sqlite_lifecycle
from tools.model_ddl import table_statement
from tools.sql_templates import MARK

Dialect = Literal["postgresql", "sqlite"]
DIALECTS: tuple[Dialect, ...] = ("postgresql", "sqlite")
LONGEST_NAME_BYTES = 63
"""PostgreSQL cuts a longer name off, so that two engines would not have the same."""


def newest_files(dialect: Dialect) -> dict[str, str]:
    """Return the text of the newest version of each file of an engine, by its name without the version."""
    versions: dict[str, tuple[int, str]] = {}
    for file in sql.paths(dialect).values():
        match = re.fullmatch(r"(?P<name>\w+)_v(?P<version>\d+)\.sql", file.name)
        if match and "violations" not in match["name"]:
            found = (int(match["version"]), file.read_text(encoding="utf-8").rstrip())
            versions[match["name"]] = max(found, versions.get(match["name"], found))
    return {name: text for name, (_, text) in versions.items()}


@pytest.mark.skipif(not __version__.startswith("0."), reason="released files never change")
def test_what_follows_from_the_models_is_written_so() -> None:
    """Until 1.0; from then on no file changes, and `tools/new-revision` writes what the next revision adds."""
    differing = [file.name for file, text, _ in texts() if file.read_text("utf-8") != text]
    assert differing == [], "run tools/refresh"


TABLES = [
    pytest.param(table, dialect, id=f"{dialect}-{table.name}")
    for table in Base.metadata.sorted_tables
    for dialect in DIALECTS
    if table.info.get("only_on", dialect) == dialect
]


def lines_of(statement: str) -> list[str]:
    return [line.strip().removesuffix(",") for line in statement.removeprefix(MARK).splitlines()]


@pytest.mark.parametrize(("table", "dialect"), TABLES)
def test_a_table_file_equals_the_compiled_model(table: sa.Table, dialect: Dialect) -> None:
    """But for what revisions added: those name each of these lines."""
    file = lines_of(newest_files(dialect)[table.name])
    model = lines_of(table_statement(table, dialect))
    added = [line for line in model if line not in file]
    assert file == [line for line in model if line not in added]
    url = {"postgresql": "postgresql+psycopg://nobody@nowhere/none", "sqlite": "sqlite:///none.db"}[dialect]
    script = Database(dialect, dialect, url).alembic("upgrade", "004:head", "--sql") if added else ""
    assert [line for line in added if line not in script] == []


def test_the_postgresql_triggers_have_the_lifecycles_of_the_vocabulary() -> None:
    newest = newest_files("postgresql")
    assert f"'{postgresql_lifecycle(KEY_LIFECYCLE)}'" in newest["enforce_key_lifecycle_consistency"]
    assert f"'{postgresql_lifecycle(ROTATION_LIFECYCLE)}'" in newest["enforce_key_rotation_lifecycle"]


def test_the_sqlite_triggers_have_the_lifecycles_of_the_vocabulary() -> None:
    newest = newest_files("sqlite")
    keys = sqlite_lifecycle("enforce_key_lifecycle_consistency", KEY_LIFECYCLE)
    rotations = sqlite_lifecycle("enforce_key_rotation_lifecycle", ROTATION_LIFECYCLE, only_if_changed=True)
    assert keys in newest["enforce_key_lifecycle_consistency_trigger"]
    assert rotations in newest["enforce_key_rotation_lifecycle_trigger"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_name_is_longer_than_an_engine_keeps(dialect: Dialect) -> None:
    text = "\n".join(newest_files(dialect).values())
    names = set(re.findall(r"(?:CONSTRAINT|TRIGGER|FUNCTION|VIEW|TABLE|INDEX|SEQUENCE) (?:\{schema\}\.)?(\w+)", text))
    names |= {str(index.name) for table in Base.metadata.tables.values() for index in table.indexes}
    assert len(names) > 100
    assert [name for name in names if len(name.encode()) > LONGEST_NAME_BYTES] == []
