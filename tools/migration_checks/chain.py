"""The chain of revisions: one line from one base to one head."""

import re
import warnings
from pathlib import Path

from alembic.script import ScriptDirectory

from tools.migration_checks.result import Result

ID_LENGTH = 32
"""`alembic_version.version_num` is `varchar(32)`: PostgreSQL refuses a longer id."""

BRANCH_LABEL = "kms"
"""The name of this history among those of a host application; Alembic hands it on from the first revision."""


def check_readable(script: ScriptDirectory) -> Result:
    """Check that every revision can be imported, and that each down_revision is there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Alembic warns of what it then fails at
            found = list(script.walk_revisions())
    except KeyError as missing:
        return Result("the revisions can be read", [f"{missing} is a down_revision of which there is no file"])
    except Exception as error:  # noqa: BLE001  (importing a revision runs it, and can raise anything)
        return Result("the revisions can be read", [f"{type(error).__name__}: {error}"])
    return Result(f"the revisions can be read: {len(found)}")


def check_heads(script: ScriptDirectory) -> Result:
    """Check that there is exactly one head, and one base."""
    heads, bases = script.get_heads(), script.get_bases()
    problems = []
    if len(heads) != 1:
        problems.append(f"there are {len(heads)} heads ({', '.join(heads)}): give one the other as down_revision")
    if len(bases) != 1:
        problems.append(f"there are {len(bases)} bases ({', '.join(bases)}): only the first has down_revision None")
    return Result(f"one head: {', '.join(heads)}", problems)


def check_chain(script: ScriptDirectory) -> Result:
    """Check that every down_revision is the id of the revision before, and that the history is one line."""
    order: list[str] = []
    problems = []
    for revision in reversed(list(script.walk_revisions())):
        expected = order[-1] if order else None
        name = Path(revision.path).name
        if revision.down_revision != expected:
            problems.append(f"{name}: down_revision is {revision.down_revision!r}, not {expected!r}")
        if revision.branch_labels != {BRANCH_LABEL} or revision.dependencies:
            problems.append(f"{name}: has depends_on, or another label than {BRANCH_LABEL}; the history is one line")
        order.append(revision.revision)
    return Result(f"each down_revision is the revision before: {' → '.join(order)}", problems)


def check_names(script: ScriptDirectory) -> Result:
    """Check that ids fit their column, and that file names and ids begin alike and sort in the order of the chain."""
    problems = []
    names = []
    for revision in reversed(list(script.walk_revisions())):
        file = Path(revision.path).stem
        names.append(file)
        if len(revision.revision) > ID_LENGTH:
            problems.append(f"{file}: the id {revision.revision!r} is longer than {ID_LENGTH} characters")
        if not re.match(r"\d{3}_", revision.revision) or not file.startswith(revision.revision):
            problems.append(
                f"{file}: the id {revision.revision!r} is not the beginning of the file's name, or has no number"
            )
    if names != sorted(names):
        problems.append(f"the numbers of the files are not in the order of the chain: {', '.join(names)}")
    return Result(f"ids of up to {ID_LENGTH} characters, and the files named after them", problems)
