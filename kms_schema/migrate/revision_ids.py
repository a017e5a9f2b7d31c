"""Ids of revisions: a version table has whole ones, and a person may type the beginning of one.

A host's own revisions in the same history may be called `003`, as ours begin. An exact id is the host's then, and ours
is `kms@003`, or the whole id.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError

_TYPED = re.compile(r"(?P<label>[^@]+)@(?P<id>\w+?)(?P<steps>[+-]\d+)?")
_BELOW_BASE = re.compile(r"(^|@)base-\d+$")
_SYMBOLS = frozenset({"base", "head", "heads"})


def is_known(script: ScriptDirectory, revision: str) -> bool:
    """Return whether `revision`, read from a version table, is a whole id of a revision in `script`.

    Alembic also finds a revision by the beginning of its id, and fails an assertion for an empty one.
    """
    if not revision.rpartition("@")[2]:
        return False
    try:
        found = script.get_revision(revision)
    except CommandError:
        return False
    return found is not None and found.revision == revision


def complete_typed_revisions(script: ScriptDirectory) -> None:
    """Let `script` look up the id in `LABEL@ID` among the revisions of that branch alone.

    Alembic finds a revision of another branch that has exactly this id, and then refuses it.
    """
    for name in ("_upgrade_revs", "_downgrade_revs", "_stamp_revs"):
        _complete_first_argument(script, name)


def _complete_first_argument(script: ScriptDirectory, name: str) -> None:
    given: Any = getattr(script, name)

    def completed(typed: Any, *more: Any) -> Any:
        with within_history(typed):
            if isinstance(typed, tuple):
                return given(tuple(_completed(script, each) for each in typed), *more)
            return given(_completed(script, typed), *more)

    setattr(script, name, completed)


@contextmanager
def within_history(typed: object) -> Iterator[None]:
    """Raise `CommandError` inside the block for steps beyond an end of the history, such as `head+1` and `base-1`.

    Alembic fails an assertion for them, and takes `base-1` for the newest.
    """
    message = f"{typed}: there is no revision so many steps away"
    if _BELOW_BASE.search(str(typed)):
        raise CommandError(message)
    try:
        yield
    except AssertionError:
        raise CommandError(message) from None


def _completed(script: ScriptDirectory, typed: Any) -> Any:
    """Return the typed text with the whole id of the revision of its branch, if exactly one revision matches."""
    match = _TYPED.fullmatch(typed) if isinstance(typed, str) else None
    if match is None or match["id"] in _SYMBOLS:
        return typed
    branch = [each.revision for each in script.walk_revisions() if match["label"] in each.branch_labels]
    meant = [each for each in branch if each == match["id"]] or [
        each for each in branch if each.startswith(match["id"])
    ]
    return f"{match['label']}@{meant[0]}{match['steps'] or ''}" if len(meant) == 1 else typed
