"""docs/keyring.md and docs/encrypted-columns.md: their examples, run as written, and the tables."""

import asyncio
import base64
import os
import re
import secrets
import shlex
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema import keyring
from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from kms_schema.vocabulary import KeyStatus
from support.engines import Database
from support.engines.softhsm import SoftHsm
from support.pages import Page
from support.programs.commands import kms_schema
from support.statements import execute
from tests.docs.readers import commands

PAGE = Page("keyring.md")
COLUMNS = Page("encrypted-columns.md")


def test_the_examples_work(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path("root-2026.key")
    root.touch(0o600)
    root.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    blocks = [each for each in re.findall(r"```python\n(.*?)```", PAGE.text, re.DOTALL) if "hsms=" not in each]
    code, application = sorted(blocks, key=lambda block: "aiosqlite" in block)
    columns, awaited = re.findall(r"```python\n(.*?)```", COLUMNS.text, re.DOTALL)
    driver = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}[database.dialect]
    awaiting = sa.make_url(database.url).set(drivername=driver).render_as_string(hide_password=False)
    here = {'"sqlite:///kms.db"': database.url, '"sqlite+aiosqlite:///kms.db"': awaiting}
    done: dict[str, Any] = {}

    def runs(block: str) -> None:
        (shown,) = (address for address in here if address in block)
        exec(compile(block.replace(shown, repr(here[shown])), PAGE.name, "exec"), done)  # noqa: S102

    runs(code)
    runs(columns)
    done["engine"].dispose()
    assert repr(done["ring"]) == "<KeyRing, closed>"
    runs(awaited)
    shown = [text for page in (PAGE, COLUMNS) for text in re.findall(r"```text\n(.*?)```", page.text, re.DOTALL)]
    assert capsys.readouterr().out == "".join(shown)
    runs(application)
    blob = asyncio.run(served(done["app"], "/invoice/17", b"DE89 3704"))
    assert repr(done["ring"]) == "<AsyncKeyRing, closed>"
    with KeyRing(database.engine(), done["roots"]) as ring:
        assert ring.key("orders").decrypt(blob, aad=b"/invoice/17") == b"DE89 3704"


async def served(app: Callable[..., Any], path: str, body: bytes) -> bytes:
    """Start an application as a server does, send a request, shut it down, and return the body of the response."""
    life: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    states: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, life.get, states.put))
    await life.put({"type": "lifespan.startup"})
    assert await states.get() == {"type": "lifespan.startup.complete"}
    request: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    response: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await request.put({"type": "http.request", "body": body})
    await app({"type": "http", "path": path}, request.get, response.put)
    assert (await response.get())["status"] == 200
    await life.put({"type": "lifespan.shutdown"})
    assert await states.get() == {"type": "lifespan.shutdown.complete"}
    await running
    answered: bytes = (await response.get())["body"]
    return answered


def test_the_commands_work_as_typed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KMS_ROOT_KEYS", "kms://root-2026=root-2026.key")
    start, first, second, incident, _hsm = map(commands, re.findall(r"```sh\n(.*?)```", PAGE.text, re.DOTALL))
    (third,) = map(commands, re.findall(r"```sh\n(.*?)```", COLUMNS.text, re.DOTALL))
    assert start[0].endswith(f" KMS_ROOT_KEYS={os.environ['KMS_ROOT_KEYS']}")
    for line in (start[1], second.pop(0)):
        subprocess.run(["sh", "-ec", line], check=True)
    create = "kms-schema keys create {} --under {}"
    orders = [create.format("kek-2026 --type kek", "kms://root-2026"), create.format("orders", "kek-2026")]
    lines = [start[2], *orders, *first, *(line for line in second if "|" not in line), *incident]
    for line in lines:
        said = kms_schema(*shlex.split(line)[1:], url=database.url)
        assert said.status == 0, (line, said)
    with closing(database.connect()) as connection:
        stored_as = "bytea" if database.dialect == "postgresql" else "BLOB"
        execute(connection, f"CREATE TABLE invoices (id integer PRIMARY KEY, iban {stored_as})")
    for line in third:
        said = kms_schema(*shlex.split(line)[1:], url=database.url)
        assert said.status == 0, (line, said)
    assert len({Path(name).read_bytes() for name in ("report.txt", "opened.txt", "saved.txt")}) == 1


def test_the_section_on_hsms_works(database: Database, hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    hsm.make_token("kms")
    monkeypatch.setenv("KMS_HSMS", f"soft={hsm.uri('kms')}")
    (block,) = [each for each in re.findall(r"```sh\n(.*?)```", PAGE.text, re.DOTALL) if "hsm add" in each]
    for line in commands(block):
        said = kms_schema(*shlex.split(line)[1:], url=database.url)
        assert said.status == 0, (line, said)
    assert "HEALTHY" in said.out
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", PAGE.text, re.DOTALL) if "hsms=" in each]
    done: dict[str, Any] = {"engine": database.engine(), "roots": RootKeys({}), "uri": hsm.uri("kms")}
    exec(compile(code, PAGE.name, "exec"), done)  # noqa: S102
    done["engine"].dispose()
    assert done["iban"] == b"DE89 3704"


def test_the_page_names_every_status_and_errors_that_exist() -> None:
    states = " ".join(PAGE.lines("States"))
    assert {f"`{status}`" for status in KeyStatus} <= set(re.findall(r"`[a-z]+`", states))
    named = set(re.findall(r"`(\w+Error)`", PAGE.text))
    assert named <= set(keyring.__all__)
