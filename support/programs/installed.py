"""The installed script `kms-schema`, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from support.engines.programs import REPOSITORY
from support.programs import python

SCRIPT = REPOSITORY / "scripts" / "validate_key_management_schema.py"


def kms_schema(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m kms_schema`, or the script if the first argument is its path."""
    program = [] if arguments[0] == str(SCRIPT) else ["-m", "kms_schema"]
    cleaned = {name: value for name, value in os.environ.items() if name != "KMS_DATABASE_URL"}
    done = python.run(
        [sys.executable, *program, *arguments],
        cwd=cwd,
        env={**cleaned, "PYTHONPATH": "" if not program else str(REPOSITORY), **environment},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done
