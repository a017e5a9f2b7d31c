"""`kms-schema inventory`: its output, the entry about it, and each exit status."""

import hashlib
import json
import stat
from contextlib import closing
from pathlib import Path

import pytest

from support.engines import Database
from support.programs.commands import kms_schema
from support.statements import execute


def entries(database: Database) -> list[tuple[object, ...]]:
    query = "SELECT additional_metadata, user_id FROM key_audit_logs WHERE event_type = 'DOCUMENT_WRITTEN'"
    with closing(database.connect()) as connection:
        return execute(connection, query).fetchall()


def test_a_file_is_written_and_recorded(database: Database, tmp_path: Path) -> None:
    output = tmp_path / "keys.cdx.json"
    said = kms_schema("inventory", "--output", str(output), "--actor", "alice", url=database.url)
    assert (said.status, said.out) == (0, "")
    content = output.read_bytes()
    assert json.loads(content)["specVersion"] == "1.6"
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    ((document, actor),) = entries(database)
    found = json.loads(document) if isinstance(document, str) else document
    assert isinstance(found, dict)
    assert (found["sha256"], actor) == (hashlib.sha256(content).hexdigest(), "alice")
    assert found["sha256"] in said.err
    assert "nothing is sealed; entry " in said.err


def test_no_record_writes_no_entry_and_says_so(database: Database) -> None:
    said = kms_schema("inventory", "--format", "json", "--no-record", url=database.url)
    assert (said.status, json.loads(said.out)["recorded"], entries(database)) == (0, False, [])
    assert "no entry" in said.err
    newer = kms_schema("inventory", "--cyclonedx-version", "1.7", "--no-record", "--quiet", url=database.url)
    assert (json.loads(newer.out)["specVersion"], newer.err) == ("1.7", "")


def test_a_document_whose_entry_is_refused_is_not_written(database: Database, tmp_path: Path) -> None:
    trigger = {
        "sqlite": "CREATE TRIGGER deny BEFORE INSERT ON key_audit_logs BEGIN SELECT RAISE(ABORT, 'denied'); END",
        "postgresql": "ALTER TABLE key_audit_logs ADD CONSTRAINT denied CHECK (event_type <> 'DOCUMENT_WRITTEN')",
    }
    with closing(database.connect()) as connection:
        execute(connection, trigger[database.dialect])
    output = tmp_path / "keys.csv"
    output.write_text("before")
    arguments = ("inventory", "--format", "csv", "--output", str(output))
    there = kms_schema(*arguments, url=database.url)
    assert (there.status, "the audit log may have its SHA-256" in there.error) == (2, True)
    assert "--no-record" not in there.all, "this is not about its entry"
    said = kms_schema(*arguments, "--force", url=database.url)
    assert (said.status, output.read_text(), [*tmp_path.glob(".*")]) == (3, "before", [])
    assert "denied" in said.error
    assert "--no-record" in said.err
    assert kms_schema("inventory", "--format", "csv", url=database.url).out == ""


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--format", "csv", "--cyclonedx-version", "1.7"), 2, "--cyclonedx-version is for --format cyclonedx"),
        (("--output", "/nowhere/keys.json"), 2, "cannot write /nowhere/keys.json: the folder /nowhere does not exist"),
        (("--schema", "elsewhere"), 3, "there is no table elsewhere.key_audit_"),
    ],
)
def test_errors_say_what_to_do(database: Database, words: tuple[str, ...], status: int, message: str) -> None:
    if "--schema" in words and database.dialect == "sqlite":
        words, message = ("--database-url", "sqlite:////nowhere/kms.db"), "there is no file /nowhere/kms.db"
        said = kms_schema("inventory", *words)
    else:
        said = kms_schema("inventory", *words, url=database.url)
    assert said.status == status
    assert message in said.error
    assert entries(database) == []
