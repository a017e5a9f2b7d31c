"""The parts of the documentation that restate code, written by code.

    python -m kms_schema.documentation        rewrites them in README.md and docs/recorded.md

Each stands between `<!-- generated: NAME -->` and `<!-- end -->`; a test holds the file to what this module says.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from kms_schema import vocabulary
from kms_schema.entity_diagram import entity_diagram
from kms_schema.vocabulary import KEY_LIFECYCLE, KEY_STATUS_TIME, ROTATION_LIFECYCLE, RecordedEvent

Status = TypeVar("Status", bound=str)

_GENERATED = re.compile(r"(<!-- generated: (?P<name>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def key_lifecycle() -> str:
    """Return the lifecycle of keys as a Markdown table."""
    rows = _transitions(KEY_LIFECYCLE)
    return _table(
        ("from", "may become", "time of entry"),
        [
            (*row, f"`{KEY_STATUS_TIME.get(status, 'created_at')}`")
            for status, row in zip(KEY_LIFECYCLE, rows, strict=True)
        ],
    )


def rotation_lifecycle() -> str:
    """Return the lifecycle of rotations as a Markdown table."""
    return _table(("from", "may become"), _transitions(ROTATION_LIFECYCLE))


def words() -> str:
    """Return every vocabulary as a Markdown table."""
    enumerations = [
        member
        for member in vars(vocabulary).values()
        if isinstance(member, type) and issubclass(member, StrEnum) and member is not StrEnum
    ]
    return _table(
        ("vocabulary", "words"),
        [(f"`{each.__name__}`", " ".join(f"`{word}`" for word in each)) for each in enumerations],
    )


def schema_diagram() -> str:
    """Return the diagram of the tables as a code block that GitHub draws."""
    return f"```mermaid\n{entity_diagram()}\n```"


def recorded_events() -> str:
    """Return what the database writes into the trail itself, as a Markdown table."""
    return _table(
        ("event_type", "event_category", "security_level"),
        [(f"`{event}`", event.category, event.security_level) for event in RecordedEvent],
    )


PARTS = {
    "recorded events": recorded_events,
    "schema diagram": schema_diagram,
    "key lifecycle": key_lifecycle,
    "rotation lifecycle": rotation_lifecycle,
    "vocabulary": words,
}


def regenerate(text: str) -> str:
    """Return a document with its generated parts written anew; raise `KeyError` for a part that nobody writes."""
    return _GENERATED.sub(lambda match: f"{match[1]}{PARTS[match['name']]()}\n{match[3]}", text)


def _transitions(lifecycle: Mapping[Status, Sequence[Status]]) -> list[tuple[str, str]]:
    return [
        (f"`{before}`", ", ".join(f"`{after}`" for after in afters) or "nothing")
        for before, afters in lifecycle.items()
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


if __name__ == "__main__":
    for page in ("README.md", "docs/recorded.md"):
        path = Path(__file__).resolve().parent.parent / page
        path.write_text(regenerate(path.read_text(encoding="utf-8")), encoding="utf-8")
