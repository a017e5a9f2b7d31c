"""SQLite's own shell, `sqlite3`: the machine's, else from Debian or Ubuntu."""

import shlex
import shutil
from pathlib import Path

from support.engines.debian import library_path, unpacked


def install_sqlite_shell(folder: Path) -> Path:
    """Put a program `sqlite3` into `folder`, which runs with its own library and not with the one under test."""
    found = shutil.which("sqlite3")
    words = ["env", "-u", "LD_LIBRARY_PATH"]
    if found is None:
        package = unpacked("sqlite3")
        found = str(package / "usr/bin/sqlite3")
        words = ["env", f"LD_LIBRARY_PATH={library_path(package)}"]
    program = folder / "sqlite3"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*words, found])} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program
