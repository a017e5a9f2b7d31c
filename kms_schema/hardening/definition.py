"""The definition of the event triggers: what they refuse, and what stays open."""

from dataclasses import dataclass
from enum import StrEnum

LONGEST_SCHEMA = 46
"""In bytes: the server truncates longer names, and the objects are named after the schema."""


class Event(StrEnum):
    """The event of an event trigger."""

    STARTS = "ddl_command_start"
    COMMANDS = "ddl_command_end"
    DROPS = "sql_drop"
    REWRITES = "table_rewrite"


@dataclass(frozen=True)
class EventTrigger:
    """One event trigger and its function, in a schema without privileges for the owner of the tables."""

    name: str
    event: Event
    function: str
    """Without its schema."""
    tags: tuple[str, ...] = ()
    """The commands for which it fires; without any, for all."""


STARTS = ("CREATE INDEX", "CREATE RULE", "CREATE TRIGGER", "DROP INDEX")
"""The commands that are refused before they begin: at their end it would be too late."""


def hardening_schema(schema: str) -> str:
    """Return the schema of the functions for `schema`."""
    return f"{schema}_hardening"


def event_triggers(schema: str) -> tuple[EventTrigger, ...]:
    """Return the event triggers of `schema`; their names are unique in the database."""
    return (
        EventTrigger(f"guard_{schema}_starts", Event.STARTS, "refuse_starts", STARTS),
        EventTrigger(f"guard_{schema}_commands", Event.COMMANDS, "refuse_commands"),
        EventTrigger(f"guard_{schema}_drops", Event.DROPS, "refuse_drops"),
        EventTrigger(f"guard_{schema}_rewrites", Event.REWRITES, "refuse_rewrites"),
    )


REFUSED = (
    "DISABLE TRIGGER",
    "DROP TRIGGER",
    "DROP TABLE",
    "swapped function body",
    "extra muting trigger",
    "RULE … DO INSTEAD NOTHING",
    "inheritance child that takes an entry",
    "a policy that hides entries",
    "ALTER TYPE … USING, which rewrites every value",
    "SET UNLOGGED",
    "DROP and ADD COLUMN",
)
"""The attacks that the event triggers refuse, by their names on the page "threat-model" of the documentation."""

LEFT_OPEN = (
    "catalog edits",
    "byte edits of the heap file",
    "pg_surgery",
    "an event trigger disabled",
    "REASSIGN OWNED",
    "rewrite everything and re-hash",
    "cut the tail",
)
"""The attacks that no event trigger refuses; that page has what detects them."""

LEFT_OPEN_ON_SQLITE = (
    "DROP TRIGGER",
    "writable_schema",
    "file edits",
    "copied file",
    "deleted `-wal`",
    "a view in the place of a table",
    "a trigger that swallows entries or seals",
)
"""The attacks that are open to everyone who can write the file of a SQLite database."""
