"""Pages as a reader follows them: their blocks in order, run in one shell after the other with what was exported."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from kms_schema.roles.definition import Role
from support.engines import Database
from support.engines.postgresql import psycopg_url
from support.engines.programs import REPOSITORY, WHEEL_MAJOR, find_programs
from support.engines.sqlite_shell import install_sqlite_shell
from support.programs import python
from support.statements import execute

BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)

LOGINS = ("kms_migrator", "keeper", "sealer", "auditor", "shop", "backup", "trail_auditor")


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    language: str
    text: str


def commands(text: str) -> list[str]:
    """Return the lines of a block for a shell; those that a backslash continues are one."""
    return text.replace("\\\n", " ").splitlines()


def alike(text: str) -> str:
    """Return text with addresses, hashes, ids and numbers as one: they differ from run to run."""
    text = re.sub(r"^database: .*", "database: URL", text, flags=re.MULTILINE)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"[A-Za-z0-9+/]{43}=", "HASH", text)
    text = re.sub(r"\+[0-9a-f]{8}\b(\+[A-Za-z0-9+/]{44})?", "+KEY", text)
    return re.sub(r"\d+", "N", text)


def blocks_of(text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text, in order."""
    return [Block(match["language"], match["text"]) for match in BLOCK.finditer(text)]


def section(page: str, title: str) -> list[Block]:
    """Return the blocks of a section of a page in docs/; raises `ValueError` if there is no such section."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{page} has no section {title}")
    return blocks_of(found[1])


def addresses(database: Database) -> dict[str, str]:
    """Return the addresses of servers on the pages, and what they are on the server of a database."""
    if database.dialect == "sqlite":
        return {}
    address = sa.make_url(database.url)
    names = {f"localhost/{name}": address.set(database=name) for name in ("postgres", "kms_quickstart")}
    for login, name in [
        ("postgres", "postgres"),
        *((each, "kms") for each in ("postgres", *LOGINS)),
        ("postgres", "kms_restored"),
        *((each, "kms_trail") for each in ("postgres", "trail_auditor")),
    ]:
        user = address.username if login == "postgres" else login
        names[f"{login}@db.example.com/{name}"] = address.set(username=user, database=name)
    return {f"postgresql://{shown}": shlex.quote(psycopg_url(here)) for shown, here in names.items()}


def forget(database: Database) -> None:
    """Drop the databases and roles that the pages create on a server."""
    with closing(database.connect()) as connection:
        for name in ("kms", "kms_restored", "kms_quickstart", "kms_trail"):
            execute(connection, f"DROP DATABASE IF EXISTS {name}")
        for name in (*LOGINS, "shop_owner", *Role):
            execute(connection, f"DROP ROLE IF EXISTS {name}")


@dataclass
class Reader:
    """Somebody with a shell in a folder, who types blocks as they are, but for the addresses of servers."""

    folder: Path
    replaced: dict[str, str] = field(default_factory=dict)
    """Addresses on the pages, and what they are here."""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with nothing but programs."""
        ours = python.programs(self.folder / "programs")
        install_sqlite_shell(ours)
        programs = [ours, Path(sys.executable).parent, find_programs(WHEEL_MAJOR).folder]
        inherited = {name: os.environ[name] for name in ("HOME", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
        path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
        self.environment = {**inherited, "PATH": path, "TMPDIR": str(self.folder), **self.environment}

    def types(self, blocks: Iterable[Block]) -> str:
        """Run blocks one after the other, and return all that they said; one that fails, fails the test.

        A block `text` is the output of the one before; a line `…` in it stands for any lines.
        """
        said: list[str] = []
        for block in blocks:
            if block.language == "text":
                pattern = re.escape(alike(block.text)).replace("…\\\n", "(?:.*\n)*")
                assert re.fullmatch(pattern, alike(said[-1])), said[-1]
            else:
                said.append(self._types(block))
        return "".join(said)

    def _types(self, block: Block) -> str:
        text = block.text
        for shown, here in self.replaced.items():
            text = text.replace(shown, here)
        if block.language == "python":
            ran = python.run([sys.executable, "-c", text], cwd=self.folder, env=self.environment)
            assert ran.returncode == 0, f"{text}\n{ran.stderr}"
            return ran.stdout
        if block.language == "sql":
            text = f"psql -q -v ON_ERROR_STOP=1 \"$ADMIN_KMS_URL\" <<'SQL'\n{text}SQL\n"
        trailer = f'\nprintf "%s\\0" "$PWD" > "{self.folder}/left"; env -0 >> "{self.folder}/left"\n'
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text + trailer],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        left = (self.folder / "left").read_text(encoding="utf-8").split("\0")
        self.folder, self.environment = Path(left[0]), dict(line.split("=", 1) for line in left[1:] if "=" in line)
        return done.stdout
