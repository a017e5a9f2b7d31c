"""An environment with the dependencies, for commands that are run from a fresh clone."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NEEDED = ("alembic", "cryptography", "psycopg", "pytest", "ruamel.yaml", "ruff", "sqlalchemy")


def enter() -> None:
    """Run the program again in `.venv`, made if it is missing, unless this Python has the dependencies already.

    Imports of the package and of `support` come after this call. Exits with status 1 if pip fails, which has said why.
    """
    if all(_is_there(name) for name in NEEDED):
        return
    python = REPOSITORY / ".venv" / "bin" / "python"
    if Path(sys.executable) == python or not python.exists():
        print("· install the dependencies into .venv", flush=True)
        for command in (
            [sys.executable, "-m", "venv", str(python.parents[1])],
            [str(python), "-m", "pip", "install", "-q", "-e", ".[dev]"],
        ):
            if subprocess.run(command, cwd=REPOSITORY, check=False).returncode:
                sys.exit(f"failed: {' '.join(command)}")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606  (this program, in another environment)


def _is_there(name: str) -> bool:
    parent = name.partition(".")[0]
    return importlib.util.find_spec(parent) is not None and importlib.util.find_spec(name) is not None
