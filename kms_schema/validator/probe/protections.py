"""The expected object that must refuse a write, and the message of the refusal.

On PostgreSQL the error names the constraint or trigger. On SQLite the message of a trigger begins with its rule, and
that of a constraint has its name or, if it is a key, its columns.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kms_schema.validator.catalog.attributes import Attributes, Objects
from kms_schema.validator.probe.attempt import Attempt, Engine, Promise

_COLUMNS = re.compile(r"(?:UNIQUE|PRIMARY KEY) ?\((?P<columns>[^)]*)\)")


@dataclass(frozen=True)
class Protection:
    """An expected object, and the message of its refusal."""

    object: str
    says: str
    """On PostgreSQL the name of the constraint or column; on SQLite the beginning of the message."""
    is_trigger: bool
    is_foreign_key: bool


def resolved(
    attempts: Iterable[Attempt | Promise], engine: Engine, expected: Objects
) -> Iterator[tuple[Attempt | Promise, Protection]]:
    """Yield the attempts at what is expected, each with the object that must refuse it or complete its effect."""
    for attempt in attempts:
        if isinstance(attempt, Promise):
            protection = keeper_of(attempt, engine, expected)
        else:
            protection = protection_of(attempt, engine, expected) if attempt.engine in {None, engine} else None
        if protection is not None:
            yield attempt, protection


def protection_of(attempt: Attempt, engine: Engine, expected: Objects) -> Protection | None:
    """Return the object that must refuse an attempt; None if the revision has no such rule."""
    if attempt.unless in expected:
        return None
    if attempt.protection in expected and attempt.where.items() <= expected[attempt.protection].items():
        return _guard(attempt.protection, attempt, engine, expected)
    if attempt.only_protected:
        return None
    found = next(_named(attempt, engine, expected), None)
    return None if found is None else _guard(found, attempt, engine, expected)


def keeper_of(promise: Promise, engine: Engine, expected: Objects) -> Protection | None:
    """Return the object that completes a promise; None if the revision does not promise it."""
    key = next((key for key in promise.protections.get(engine, ()) if key in expected), None)
    return None if key is None else protection(key, "")


def protection(key: str, says: str) -> Protection:
    """Return an object and the message of its refusal; foreign keys are named `fk_…`."""
    kind, _, name = key.partition(" ")
    return Protection(key, says, kind == "trigger", kind == "constraint" and name.rpartition(".")[2].startswith("fk_"))


def _named(attempt: Attempt, engine: Engine, expected: Objects) -> Iterator[str]:
    if engine == "sqlite":
        yield from _triggers_that_say(attempt, expected)
    end = f".{attempt.rule}"
    of_rule = [key for key in expected if key.endswith(end)]
    for kind in ("trigger", "constraint"):
        own = f"{kind} {attempt.table}{end}"
        yield from (key for key in of_rule if key == own)
        yield from (key for key in of_rule if key != own and key.startswith(f"{kind} "))
    yield from (key for key in (f"index {attempt.rule}", attempt.rule) if key in expected)


def _triggers_that_say(attempt: Attempt, expected: Objects) -> list[str]:
    """Return the triggers that refuse by this rule for the statement, in the order in which they fire."""
    verb = "INSERT" if attempt.forbidden.text.startswith("REPLACE") else attempt.forbidden.text.split()[0]
    of_table, says = f"trigger {attempt.table}.", f"'{attempt.rule}: "
    saying = [
        (key, definition)
        for key, attributes in expected.items()
        if key.startswith(of_table) and says in (definition := str(attributes["definition"]))
    ]
    return [
        key for timing in (f" BEFORE {verb} ", f" AFTER {verb} ") for key, definition in saying if timing in definition
    ]


def _guard(key: str, attempt: Attempt, engine: Engine, expected: Objects) -> Protection:
    says = attempt.rule if engine == "postgresql" else attempt.says or _on_sqlite(key, attempt, expected[key])
    return protection(key, says)


def _on_sqlite(key: str, attempt: Attempt, attributes: Attributes) -> str:
    definition = str(attributes.get("definition", ""))
    if key.startswith("trigger "):
        return f"{attempt.rule}: "
    if definition.startswith("FOREIGN KEY"):
        return "FOREIGN KEY constraint failed"
    columns = _COLUMNS.match(definition) or re.search(r"\((?P<columns>[^)]*)\)", definition)
    if columns and (key.startswith("index ") or _COLUMNS.match(definition)):
        named = ", ".join(f"{attributes['table']}.{column.strip()}" for column in columns["columns"].split(","))
        return f"UNIQUE constraint failed: {named}"
    return f"CHECK constraint failed: {attempt.rule}"
