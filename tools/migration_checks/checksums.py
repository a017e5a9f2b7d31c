"""Released revisions and SQL files never change: a database that ran them would not be what the package says."""

import hashlib
import json
from pathlib import Path

from alembic.script import ScriptDirectory

from kms_schema._version import __version__
from tools.migration_checks.result import Result
from tools.migration_checks.sources import revision_files, sql_files

FILE_NAME = "checksums.json"
"""In the folder `migrations`: a SHA-256 for each revision and each SQL file."""


class ChecksumChangeError(Exception):
    """A released file would get another checksum."""


def current(script: ScriptDirectory) -> dict[str, str]:
    """Return the checksums of the files as they are now, by name (`004_….py`, `sqlite/key_masters_v01.sql`)."""
    named = {source.name: source for source in revision_files(script)} | sql_files()
    return {name: hashlib.sha256(_text(named[name])).hexdigest() for name in sorted(named)}


def _text(file: Path) -> bytes:
    return file.read_bytes().replace(b"\r\n", b"\n")  # as Git may check it out on Windows


def recorded(script: ScriptDirectory) -> dict[str, str]:
    """Return the recorded checksums."""
    file = Path(script.dir) / FILE_NAME
    if not file.exists():
        return {}
    checksums: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return checksums


def check_checksums(script: ScriptDirectory) -> Result:
    """Check that every file has its recorded checksum."""
    now, before = current(script), recorded(script)
    advice = "add a new file and a new revision instead"
    if not _released():
        advice += ", or, before 1.0, accept it with --update-checksums"
    problems = [f"{name} has changed: {advice}" for name in _changed(now, before)]
    problems += [f"{name} is gone: databases were made with it" for name in before.keys() - now.keys()]
    new = sorted(now.keys() - before.keys())
    if new:
        names = ", ".join(new[:3] + ["…"] * (len(new) > 3))
        problems.append(f"{len(new)} without a checksum ({names}): --update-checksums writes it down")
    return Result(f"{len(before)} checksums of revisions and SQL files", sorted(problems))


def update_checksums(script: ScriptDirectory) -> list[str]:
    """Record the checksums of all files, and return the names of those that are new, changed or gone.

    From version 1.0 on only new ones are taken; then this raises `ChecksumChangeError` for the rest.
    """
    now, before = current(script), recorded(script)
    altered = [*_changed(now, before), *(before.keys() - now.keys())]
    if altered and _released():
        raise ChecksumChangeError(f"released files never change: {', '.join(sorted(altered))}")
    file = Path(script.dir) / FILE_NAME
    file.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    return sorted({*altered, *(now.keys() - before.keys())})


def _released() -> bool:
    return int(__version__.partition(".")[0]) >= 1


def _changed(now: dict[str, str], before: dict[str, str]) -> list[str]:
    return [name for name in now.keys() & before.keys() if now[name] != before[name]]
