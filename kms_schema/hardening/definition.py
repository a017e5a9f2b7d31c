"""Which event triggers there are, what they refuse, and what they cannot: the one definition."""

from dataclasses import dataclass
from enum import StrEnum

LONGEST_SCHEMA = 46
"""In bytes: the server cuts longer names short, and what is made here is called after the schema."""


class Event(StrEnum):
    """What an event trigger is asked at."""

    STARTS = "ddl_command_start"
    COMMANDS = "ddl_command_end"
    DROPS = "sql_drop"
    REWRITES = "table_rewrite"


@dataclass(frozen=True)
class EventTrigger:
    """One event trigger and its function, which is in a schema that the owner of the tables cannot reach."""

    name: str
    event: Event
    function: str
    """Without its schema."""
    tags: tuple[str, ...] = ()
    """The commands that it is asked about; none stands for all."""


def hardening_schema(schema: str) -> str:
    """Return the schema in which the functions for `schema` are."""
    return f"{schema}_hardening"


def event_triggers(schema: str) -> tuple[EventTrigger, ...]:
    """Return the event triggers that guard `schema`; their names are of the whole database."""
    return (
        EventTrigger(f"guard_{schema}_starts", Event.STARTS, "refuse_starts", ("CREATE INDEX", "DROP INDEX")),
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
"""The attacks that the event triggers refuse, as docs/threat-model.md calls them: without them, the owner's to do."""

LEFT_OPEN = (
    "catalog edits",
    "byte edits of the heap file",
    "pg_surgery",
    "an event trigger switched off",
    "REASSIGN OWNED",
    "rewrite everything and re-hash",
    "cut the tail",
)
"""What no event trigger stops, by the same names: it is found, as that page says."""

LEFT_OPEN_ON_SQLITE = (
    "DROP TRIGGER",
    "writable_schema",
    "file edits",
    "copied file",
    "deleted `-wal`",
    "a view in the place of a table",
    "a trigger that swallows entries or seals",
)
"""What whoever can write the file does there, by the same names: it is found."""
