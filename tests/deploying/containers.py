"""Commands of the examples, run here as a container runs them: with the environment of its image and its files only."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from support.engines.programs import REPOSITORY, WHEEL_MAJOR, find_programs
from support.programs import python

EXAMPLES = REPOSITORY / "examples"
DOCKERFILE = (EXAMPLES / "container" / "Dockerfile").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Stage:
    """What a stage of the Dockerfile sets, with what it has from the stages before."""

    name: str
    parent: str
    lines: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """Return the arguments of an instruction, those of the parent first."""
        inherited = stages()[self.parent].values(instruction) if self.parent in stages() else []
        return inherited + [value for name, value in self.lines if name == instruction]

    @property
    def environment(self) -> dict[str, str]:
        return dict(word.split("=", 1) for value in self.values("ENV") for word in shlex.split(value))

    @property
    def entrypoint(self) -> list[str]:
        return re.findall(r'"(.*?)"', self.values("ENTRYPOINT")[-1])


@cache
def stages() -> dict[str, Stage]:
    """Return the stages of the Dockerfile by their names."""
    found: dict[str, Stage] = {}
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    for line in filter(None, text.splitlines()):
        instruction, _, value = line.partition(" ")
        if instruction == "FROM":
            parent, name = re.fullmatch(r"(\S+) AS (\S+)", value).groups()  # type: ignore[union-attr]
            current = found[name] = Stage(name, parent)
        else:
            current.lines.append((instruction, value))
    return found


@dataclass(frozen=True)
class Container:
    """A command, the environment that it sees, and its files: each by its path in the container."""

    command: Sequence[str]
    environment: Mapping[str, str]
    files: Mapping[str, Path]
    """Copied, as 0440; a folder is taken as it is."""
    folder: str = "/"

    def placed(self, root: Path) -> tuple[list[str], dict[str, str], Path]:
        """Place the files below `root`, and return command, environment and folder with their paths there."""
        places: dict[str, str] = {}
        for path, source in self.files.items():
            target = root / path.lstrip("/")
            places |= {path: str(source if source.is_dir() else target)}
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                shutil.copy(source, target)
                target.chmod(0o440)
        pattern = re.compile("|".join(sorted(map(re.escape, places), key=len, reverse=True)) or "$^")

        def here(text: str) -> str:
            return pattern.sub(lambda match: places[match[0]], text)

        command = [here(word) for word in self.command]
        environment = {name: here(value) for name, value in self.environment.items()}
        return command, {**environment, "PATH": search_path(root)}, Path(places.get(self.folder, root))

    def run(self, root: Path) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, and return what it said."""
        command, environment, folder = self.placed(root)
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def with_more(self, words: Sequence[str]) -> "Container":
        """Return the same with more words on its command line."""
        return replace(self, command=[*self.command, *words])

    def succeeds(self, root: Path) -> str:
        """Run the command, which must exit with 0, and return its output."""
        done = self.run(root)
        assert done.returncode == 0, f"{shlex.join(self.command)}\n{done.stdout}{done.stderr}"
        return done.stdout


def search_path(root: Path) -> str:
    """Return a PATH with the programs of the image, and psql."""
    root.mkdir(parents=True, exist_ok=True)
    ours = python.programs(root / "programs")
    folders = [ours, Path(sys.executable).parent, find_programs(WHEEL_MAJOR).folder]
    return os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])
