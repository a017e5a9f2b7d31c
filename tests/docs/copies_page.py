"""docs/copies.md, and what stands there to be run."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.engines.programs import REPOSITORY, WHEEL_MAJOR, find_programs
from support.programs import python

PAGE = (REPOSITORY / "docs" / "copies.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """Return the statements or commands that stand under `<!-- run: NAME -->`."""
    (found,) = re.findall(
        rf"^<!-- run: {re.escape(name)} -->\n```(?:sql|sh)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
    assert isinstance(found, str)
    return found


def run_commands(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Have a shell run the commands of that name, up to the first that fails; what they say comes together."""
    ours = python.programs(folder.parent / "programs")
    programs = (ours, Path(sys.executable).parent, find_programs(WHEEL_MAJOR).folder, os.environ["PATH"])
    inherited = {name: os.environ[name] for name in ("HOME", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block(name)],
        cwd=folder,
        env={**inherited, **variables, "PATH": os.pathsep.join(map(str, programs))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
