"""Which locks PostgreSQL takes for the statements of a revision, on what, and for what.

https://www.postgresql.org/docs/current/explicit-locking.html

Left out is what holds up nobody: catalogs, Alembic's own table, indexes that are used or built (they are locked as
their table is, or weaker), and the new relation of a CREATE, which nobody else sees before the transaction ends.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
"""From the weakest to the strongest."""

HOLDS_UP = {
    "ACCESS SHARE": "nobody waits",
    "ROW SHARE": "nobody waits",
    "ROW EXCLUSIVE": "nobody waits",
    "SHARE UPDATE EXCLUSIVE": "nobody waits but VACUUM and other DDL",
    "SHARE": "writers wait",
    "SHARE ROW EXCLUSIVE": "writers wait",
    "EXCLUSIVE": "writers wait",
    "ACCESS EXCLUSIVE": "readers and writers wait",
}


@dataclass(frozen=True)
class Lock:
    """A lock that a statement takes on a relation, written `schema.name`."""

    relation: str
    mode: str
    work: str
    """What is done under it."""
    long: bool
    """Whether that takes the longer the larger the relation is; else it takes a moment."""


_NAME = r"[\w.]+"
_INDEX = re.compile(
    r"CREATE (?:UNIQUE )?INDEX (?P<concurrently>CONCURRENTLY )?(?:IF NOT EXISTS )?"
    rf"(?P<index>{_NAME}) ON (?P<on>{_NAME})"
)
_DROP_INDEX = re.compile(rf"DROP INDEX CONCURRENTLY (?P<index>{_NAME})")
_TRIGGER = re.compile(rf"CREATE TRIGGER (?P<trigger>{_NAME}) .*? ON (?P<on>{_NAME})")
_ENABLE = re.compile(rf"ALTER TABLE (?P<on>{_NAME}) ENABLE ALWAYS TRIGGER")
_COLUMN = re.compile(rf"ALTER TABLE (?P<on>{_NAME}) ADD (?P<work>COLUMN \w+)")
_DROP_TRIGGER = re.compile(rf"DROP (?P<work>TRIGGER {_NAME}) ON (?P<on>{_NAME})")
_LOCK = re.compile(r"DO \$\$ .*?ARRAY\[(?P<relations>[^]]*)\].*? IN (?P<mode>[A-Z ]+) MODE")
_REFERENCES = re.compile(rf"\bREFERENCES (?P<on>{_NAME})")
_WRITE = re.compile(rf"(?:INSERT INTO|UPDATE|DELETE FROM) (?P<on>{_NAME})")
_VIEW = re.compile(rf"CREATE (?P<materialized>MATERIALIZED )?VIEW (?P<view>{_NAME}) AS (?P<query>.*)")
_READ = re.compile(rf"\b(?:FROM|JOIN) (?P<on>{_NAME}\.{_NAME})")
_WITHOUT = (
    "CREATE FUNCTION",
    "CREATE OR REPLACE FUNCTION",
    "CREATE SEQUENCE",
    "ALTER SEQUENCE",
    "REVOKE",
    "SET ",
    "COMMENT ",
)


class UnknownStatementError(ValueError):
    """A statement whose locks are not written down here."""


def locks_of(statement: str) -> Iterator[Lock]:
    """Yield the locks that a statement of a revision takes on relations; raise `UnknownStatementError`.

    `DROP INDEX CONCURRENTLY` does not say on which table the index is, so only the index is named; the table is
    locked alike.
    """
    text = " ".join(line.partition("--")[0] for line in statement.strip().splitlines())
    text = " ".join(text.split())
    if match := _INDEX.match(text):
        mode = "SHARE UPDATE EXCLUSIVE" if match["concurrently"] else "SHARE"
        yield Lock(match["on"], mode, f"building {match['index']}", long=True)
    elif match := _VIEW.match(text):
        long = match["materialized"] is not None
        work = f"{'filling' if long else 'view'} {match['view'].rpartition('.')[2]}"
        for read in sorted({found["on"] for found in _READ.finditer(match["query"])}):
            yield Lock(read, "ACCESS SHARE", work, long=long)
    elif match := _TRIGGER.match(text) or _ENABLE.match(text):
        work = f"trigger {match['trigger']}" if "trigger" in match.groupdict() else ""
        yield Lock(match["on"], "SHARE ROW EXCLUSIVE", work, long=False)
    elif match := _COLUMN.match(text) or _DROP_TRIGGER.match(text):
        # A column without a default is written into no row; a rule that comes with it looks at each.
        yield Lock(match["on"], "ACCESS EXCLUSIVE", match["work"].lower(), long=" CHECK " in text)
    elif match := _LOCK.match(text):
        for relation in re.findall(r"'([^']+)'", match["relations"]):
            yield Lock(relation, match["mode"], "", long=False)
    elif text.startswith("CREATE TABLE"):
        for match in _REFERENCES.finditer(text):
            yield Lock(match["on"], "SHARE ROW EXCLUSIVE", "foreign key", long=False)
    elif match := _WRITE.match(text):
        yield Lock(match["on"], "ROW EXCLUSIVE", "rows", long=False)
    elif match := _DROP_INDEX.match(text):
        yield Lock(match["index"], "SHARE UPDATE EXCLUSIVE", "dropping what an interrupted build left", long=False)
    elif not text.startswith(_WITHOUT):
        raise UnknownStatementError(f"which locks does this take? {text[:100]}")


def strongest(locks: Iterable[Lock]) -> str:
    """Return the strongest mode among locks."""
    return max((lock.mode for lock in locks), key=MODES.index)
