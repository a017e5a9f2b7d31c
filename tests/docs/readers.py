"""Pages as a reader follows them: their blocks in order, run in one shell after the other with what was exported."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.engines.programs import REPOSITORY, WHEEL_MAJOR, find_programs
from tests.support.engines.sqlite_shell import install_sqlite_shell
from tests.support.programs import python

BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    language: str
    text: str


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
        """Run blocks one after the other, and return all that they said; one that fails, fails the test."""
        return "".join(self._types(block) for block in blocks)

    def _types(self, block: Block) -> str:
        text = block.text
        for shown, here in self.replaced.items():
            text = text.replace(shown, here)
        if block.language == "python":
            text = f"{sys.executable} - <<'PYTHON'\n{text}PYTHON\n"
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
