"""docs/importing.md: its commands, run as written, and their results; the tests of roles cover its statement."""

import csv
import json
import os
import re
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.validator import validate
from tests.support.engines import Database
from tests.support.engines.client_programs import address
from tests.support.engines.programs import REPOSITORY, WHEEL_MAJOR, find_programs
from tests.support.recorded_changes import recorded
from tests.support.rows.smallest import envelope
from tests.support.statements import execute

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

PAGE = (REPOSITORY / "docs" / "importing.md").read_text(encoding="utf-8")
KEYS = 20
TIME = "2025-01-01 00:00:00+00"
METADATA = json.dumps({"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key"})
COPIES = re.compile(r"^\\copy \w+ \((?P<columns>[^)]*)\) FROM '(?P<file>[\w.-]+)'", re.MULTILINE)


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


COLUMNS = {match["file"]: match["columns"].split(", ") for match in COPIES.finditer(block("sh"))}


def write(folder: Path, file: str, rows: Iterable[Sequence[object]]) -> None:
    with (folder / file).open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([COLUMNS[file], *rows])


def write_files(folder: Path, *, blob: bytes | None = None) -> list[uuid.UUID]:
    """Write what the page brings in; `blob` is the material of the last version."""
    kek, wrapper, keys = uuid.uuid4(), uuid.uuid4(), [uuid.uuid4() for _ in range(KEYS)]

    def key(identity: uuid.UUID, name: str, kind: str, parent: str) -> Sequence[object]:
        return identity, name, kind, "AES-256", 256, "active", TIME, TIME, parent

    def material(given: bytes) -> Sequence[object]:
        return "\\x" + given.hex(), "a" * 64, METADATA

    blobs = [envelope(256) for _ in keys[1:]] + [blob or envelope(256)]
    write(folder, "keks.csv", [key(kek, "old-kek", "kek", "")])
    write(folder, "kek-versions.csv", [(wrapper, kek, 1, *material(envelope(256)), "kms://root", TIME, TIME)])
    write(folder, "keys.csv", [key(each, f"old-{n}", "dek", "old-kek") for n, each in enumerate(keys)])
    versions = zip(keys, blobs, strict=True)
    write(
        folder,
        "versions.csv",
        [(uuid.uuid4(), each, 1, *material(one), wrapper, TIME, TIME, "") for each, one in versions],
    )
    said = ("IMPORTED", "COMPLIANCE", "used in the old store", "alice", '{"at": "2025-02-01"}')
    write(folder, "history.csv", [(each, *said) for each in keys])
    return keys


def run(database: Database, folder: Path) -> subprocess.CompletedProcess[str]:
    programs = str(find_programs(WHEEL_MAJOR).folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment = {**inherited, "PATH": f"{programs}:{os.environ['PATH']}", "DATABASE_URL": address(database)}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block("sh")],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_commands_import_and_record_everything(database: Database, tmp_path: Path) -> None:
    keys = write_files(tmp_path)
    done = run(database, tmp_path)
    assert done.returncode == 0, done.stderr
    with closing(database.connect()) as connection:
        entries = recorded(connection, 1)
        assert Counter(entry["event_type"] for entry in entries) == {
            "KEY_CREATED": KEYS + 1, "KEY_ACTIVATED": KEYS + 1, "VERSION_CREATED": KEYS + 1,
            "VERSION_ACTIVATED": KEYS + 1, "IMPORTED": KEYS,
        }  # fmt: skip
        ours = [entry for entry in entries if entry["event_type"] != "IMPORTED"]
        assert {entry["user_id"] for entry in ours} == {"import of the old key store"}
        assert [entry["additional_metadata"]["id"] for entry in ours if entry["event_type"] == "KEY_CREATED"][1:] == [
            str(key) for key in keys
        ]
        assert not validate(connection).fails()


def test_one_row_that_is_refused_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    write_files(tmp_path, blob=b"\x01" + b"plaintext of a key")
    done = run(database, tmp_path)
    assert done.returncode != 0
    assert "validate_key_version_material" in done.stderr
    with closing(database.connect()) as connection:
        assert recorded(connection, 1) == []
        assert execute(connection, "SELECT count(*) FROM key_masters").fetchone() == (0,)
