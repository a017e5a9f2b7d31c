"""docs/keyring.md: its example, run as written, and its tables."""

import base64
import re
import secrets
import shlex
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema import keyring
from kms_schema.vocabulary import KeyStatus
from tests.support.engines import Database
from tests.support.pages import Page
from tests.support.programs.commands import kms_schema
from tests.support.statements import execute

PAGE = Page("keyring.md")


def test_the_example_works(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path("root-2026.key")
    root.touch(0o600)
    root.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    code, columns = re.findall(r"```python\n(.*?)```", PAGE.text, re.DOTALL)
    assert code.count('"sqlite:///kms.db"') == 1
    done: dict[str, Any] = {}
    exec(compile(code.replace("sqlite:///kms.db", database.url), PAGE.name, "exec"), done)  # noqa: S102
    exec(compile(columns, PAGE.name, "exec"), done)  # noqa: S102
    done["engine"].dispose()
    assert done["iban"] == b"DE89 3704"
    assert done["ibans"] == ["DE89 3704"]
    assert (done["found"].key_id, done["found"].version, done["found"].is_live) == ("orders", 2, True)
    assert repr(done["ring"]) == "<KeyRing, closed>"


def test_the_commands_work_as_typed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path("root-2026.key")
    root.touch(0o600)
    root.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    Path("report.pdf").write_bytes(b"a report")
    monkeypatch.setenv("KMS_ROOT_KEYS", "kms://root-2026=root-2026.key")
    first, second, third, _incident = re.findall(r"```sh\n(.*?)```", PAGE.text, re.DOTALL)
    *commands, revoking = first.splitlines()
    lines = [*commands, *(line for line in second.splitlines() if "|" not in line)]
    for line in lines[:-1]:
        said = kms_schema(*shlex.split(line)[1:], url=database.url)
        assert said.status == 0, (line, said)
    with closing(database.connect()) as connection:
        stored_as = "bytea" if database.dialect == "postgresql" else "BLOB"
        execute(connection, f"CREATE TABLE invoices (id integer PRIMARY KEY, iban {stored_as})")
    for line in third.splitlines():
        said = kms_schema(*shlex.split(line)[1:], url=database.url)
        assert said.status == 0, (line, said)
    Path("report.pdf").unlink()
    assert kms_schema(*shlex.split(lines[-1])[1:], url=database.url).status == 0
    assert Path("report.pdf").read_bytes() == b"a report"
    assert kms_schema(*shlex.split(revoking)[1:], url=database.url).status == 0


def test_the_page_names_every_status_and_errors_that_exist() -> None:
    states = " ".join(PAGE.lines("States"))
    assert {f"`{status}`" for status in KeyStatus} <= set(re.findall(r"`[a-z]+`", states))
    named = set(re.findall(r"`(\w+Error)`", PAGE.text))
    assert named <= set(keyring.__all__)
