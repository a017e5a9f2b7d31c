"""The verdict of a preflight as text and as JSON."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from kms_schema.preflight.verdict import Disk, Held, Preflight, size

WIDTH = 80

# The first word of a work, whether it is a verb, and the plural of its object.
_KINDS = (("building", True, "indexes"), ("filling", True, "views"), ("trigger", False, "triggers"))


def as_json(verdict: Preflight) -> str:
    """Return the verdict as JSON: all that the text has, and the statements. Sizes are in bytes, times in seconds."""
    plan = verdict.plan
    report: dict[str, Any] = {
        "go": verdict.go,
        "database": verdict.database,
        "server": verdict.server,
        "current": plan.current,
        "target": plan.target,
        "revisions": [
            {"revision": each.revision, "summary": each.summary, "statements": each.statements}
            for each in plan.revisions
        ],
        "held": [asdict(each) for each in verdict.held],
        "disk": asdict(verdict.disk),
        "notes": list(verdict.notes),
        "problems": list(verdict.problems),
    }
    return json.dumps(report, indent=2)


def as_text(verdict: Preflight) -> str:
    """Return the verdict as text: what runs, which clients wait and for how long, and the problems."""
    return "\n".join(_lines(verdict))


def _lines(verdict: Preflight) -> Iterator[str]:
    plan = verdict.plan
    yield f"{verdict.database} ({verdict.server})"
    if not plan.revisions:
        yield f"is at {plan.target} already: there is nothing to do."
    else:
        yield f"from {plan.current or 'nothing'} to {plan.target}"
        held = {name: list(rows) for name, rows in groupby(verdict.held, key=lambda each: each.revision)}
        for revision in plan.revisions:
            yield ""
            yield f"{revision.revision}: {_counted(len(revision.statements))}"
            for row in held.get(revision.revision, []):
                yield from _held(row)
            if revision.statements and revision.revision not in held:
                yield "  changes nothing that exists"
        yield ""
        yield _disk(verdict.disk)
    for note in verdict.notes:
        yield from _wrapped(f"Note: {note}", "      ")
    yield ""
    for problem in verdict.problems:
        yield from _wrapped(f"Problem: {problem}", "         ")
    yield "GO" if verdict.go else f"NO GO ({len(verdict.problems)})"


def _held(row: Held) -> Iterator[str]:
    rows = "" if row.rows is None else f"about {row.rows:,} rows, "
    yield f"  {row.relation} ({rows}{size(row.bytes)})"
    for work in row.works:
        time = "a moment" if work.seconds is None else f"about {max(1, round(work.seconds))} s"
        works = ", ".join(_summed_up(work.works))
        yield from _wrapped(f"    {work.lock} for {time}: {work.holds_up}{f' ({works})' if works else ''}", "      ")


def _summed_up(works: Sequence[str]) -> Iterator[str]:
    """Yield works in words, several of one kind as a number: `building a`, `building b` are `building 2 indexes`."""
    for verb, is_verb, many in _KINDS:
        alike = [work for work in works if work.startswith(f"{verb} ")]
        if len(alike) > 1:
            yield f"{verb} {len(alike)} {many}" if is_verb else f"{len(alike)} {many}"
        else:
            yield from alike
    yield from (work for work in works if not work.startswith(tuple(f"{verb} " for verb, _, _ in _KINDS)))


def _counted(statements: int) -> str:
    return {0: "nothing to do here", 1: "1 statement"}.get(statements, f"{statements} statements")


def _disk(disk: Disk) -> str:
    free = "the free space on the server is unknown"
    if disk.free_bytes is not None:
        free = f"{size(disk.free_bytes)} are free"
    return f"Disk: indexes take about {size(disk.needed_bytes)}; {free}."


def _wrapped(text: str, indent: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
