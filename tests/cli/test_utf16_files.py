"""A SQLite file in UTF-16 is not upgraded, and one that was is found: entries are hashed in UTF-8."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema import validate
from support.engines import Database
from support.programs.commands import kms_schema

pytestmark = pytest.mark.only_on("sqlite")


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_a_file_in_utf16_is_refused(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "kms.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE of_the_host (n integer)")
    for command, status in (("upgrade", 3), ("preflight", 1)):
        said = kms_schema(command, url=f"sqlite:///{file}")
        assert (said.status, f"the file is in {encoding}, and entries are hashed in UTF-8" in said.all) == (
            status,
            True,
        )
        assert "Traceback" not in said.err
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("of_the_host",)]


def test_a_schema_in_utf16_is_found(database: Database, tmp_path: Path) -> None:
    with (
        closing(database.connect()) as connection,
        closing(sqlite3.connect(tmp_path / "copy.db")) as copy,
    ):
        assert isinstance(connection, sqlite3.Connection)
        copy.execute("PRAGMA encoding = 'UTF-16le'")
        statements = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        for (statement,) in statements:
            copy.execute(statement)
        copy.execute(
            "INSERT INTO alembic_version VALUES (?)", connection.execute("SELECT * FROM alembic_version").fetchone()
        )
        copy.commit()
        findings = [(each.code, each.actual) for each in validate(copy).findings]
        assert ("KMS447", "UTF-16le") in findings
        assert "KMS447" not in {each.code for each in validate(connection).findings}
