"""Which locks PostgreSQL takes for the statements of a revision, on what, and for what.

https://www.postgresql.org/docs/current/explicit-locking.html

Left out is what holds up nobody: catalogs, Alembic's own table, indexes that are used or built (they are locked as
their table is, or weaker), and the new relation of a CREATE, which nobody else sees before the transaction ends.
"""

import re
from collections.abc import Callable, Iterable, Iterator
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
_COLUMN = re.compile(rf"ALTER TABLE (?P<on>{_NAME}) ADD (?P<work>COLUMN (?:IF NOT EXISTS )?\w+)")
_STATISTICS = re.compile(rf"ALTER TABLE (?P<on>{_NAME}) ALTER (?P<work>COLUMN \w+) (?:RE)?SET \(n_distinct")
_DROP_TRIGGER = re.compile(rf"DROP (?P<work>TRIGGER {_NAME}) ON (?P<on>{_NAME})")
_LOCK = re.compile(r"DO \$\$ .*?ARRAY\[(?P<relations>[^]]*)\].*? IN (?P<mode>[A-Z ]+) MODE")
_REFERENCES = re.compile(rf"\bREFERENCES (?P<on>{_NAME})")
_WRITE = re.compile(rf"(?:INSERT INTO|UPDATE|DELETE FROM) (?P<on>{_NAME})")
_VIEW = re.compile(rf"CREATE (?P<materialized>MATERIALIZED )?VIEW (?P<view>{_NAME}) AS (?P<query>.*)")
_LOCKED_AS_VIEW = re.compile(
    r"\.(key_management_dashboard|key_health_monitor|rotations_due|key_wrapping_dependents|key_audit_unsealed)$"
)
"""What `steps.lock` locks in ACCESS EXCLUSIVE mode, whatever mode it is told."""
_REPLACED_VIEW = re.compile(rf"CREATE OR REPLACE VIEW (?P<view>{_NAME}) AS (?P<query>.*)")
_DROP_VIEW = re.compile(rf"DROP MATERIALIZED VIEW (?P<view>{_NAME})")
_LOOK = re.compile(r"DO \$\$ BEGIN (PERFORM set_config\(|IF \(SELECT)")
_READ = re.compile(rf"\b(?:FROM|JOIN) (?:ONLY )?(?P<on>{_NAME}\.{_NAME})")
_WITHOUT = (
    "CREATE FUNCTION",
    "CREATE OR REPLACE FUNCTION",
    "CREATE SEQUENCE",
    "ALTER SEQUENCE",
    "REVOKE",
    "SET ",
    "COMMENT ",
    "DO $$ BEGIN PERFORM pg_advisory_xact_lock(",
    "DO $$ DECLARE old record;",  # owner and rights of what is exchanged
    "DROP FUNCTION",
    "ALTER FUNCTION",
    "ALTER INDEX",  # of a relation that is new, or of a table that is locked for it
    "DROP INDEX ",  # likewise
    "ALTER MATERIALIZED VIEW",
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
    for pattern, locks in _KNOWN:
        if match := pattern.match(text):
            yield from locks(match)
            return
    if not text.startswith(_WITHOUT):
        raise UnknownStatementError(f"which locks does this take? {text[:100]}")


def _of_index(match: re.Match[str]) -> Iterator[Lock]:
    mode = "SHARE UPDATE EXCLUSIVE" if match["concurrently"] else "SHARE"
    yield Lock(match["on"], mode, f"building {match['index']}", long=True)


def _of_view(match: re.Match[str]) -> Iterator[Lock]:
    long = match["materialized"] is not None
    yield from _reading(match, f"{'filling' if long else 'view'} {match['view'].rpartition('.')[2]}", long=long)


def _of_trigger(match: re.Match[str]) -> Iterator[Lock]:
    work = f"trigger {match['trigger']}" if "trigger" in match.groupdict() else ""
    yield Lock(match["on"], "SHARE ROW EXCLUSIVE", work, long=False)


def _of_alteration(match: re.Match[str]) -> Iterator[Lock]:
    # A column without a default is written into no row; a rule that comes with it looks at each.
    yield Lock(match["on"], "ACCESS EXCLUSIVE", match["work"].lower(), long=" CHECK " in match.string)


def _of_statistics(match: re.Match[str]) -> Iterator[Lock]:
    yield Lock(match["on"], "SHARE UPDATE EXCLUSIVE", f"{match['work'].lower()}, for the planner", long=False)


def _of_lock(match: re.Match[str]) -> Iterator[Lock]:
    for relation in re.findall(r"'([^']+)'", match["relations"]):
        mode = "ACCESS EXCLUSIVE" if _LOCKED_AS_VIEW.search(relation) else match["mode"]
        yield Lock(relation, mode, "", long=False)


def _of_table(match: re.Match[str]) -> Iterator[Lock]:
    for found in _REFERENCES.finditer(match.string):
        yield Lock(found["on"], "SHARE ROW EXCLUSIVE", "foreign key", long=False)


def _of_write(match: re.Match[str]) -> Iterator[Lock]:
    yield Lock(match["on"], "ROW EXCLUSIVE", "rows", long=False)
    yield from _reading(match, "counting its rows", long=True)


def _of_look(match: re.Match[str]) -> Iterator[Lock]:
    yield from _reading(match, "", long=False)


def _reading(match: re.Match[str], work: str, *, long: bool) -> Iterator[Lock]:
    for relation in sorted({found["on"] for found in _READ.finditer(match.string)}):
        yield Lock(relation, "ACCESS SHARE", work, long=long)


def _of_dropped_view(match: re.Match[str]) -> Iterator[Lock]:
    yield Lock(match["view"], "ACCESS EXCLUSIVE", "", long=False)


def _of_replaced_view(match: re.Match[str]) -> Iterator[Lock]:
    yield Lock(match["view"], "ACCESS EXCLUSIVE", "", long=False)
    yield from _reading(match, f"view {match['view'].rpartition('.')[2]}", long=False)


def _of_dropped_index(match: re.Match[str]) -> Iterator[Lock]:
    yield Lock(match["index"], "SHARE UPDATE EXCLUSIVE", "dropping what an interrupted build left", long=False)


_KNOWN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Iterator[Lock]]], ...] = (
    (_INDEX, _of_index),
    (_VIEW, _of_view),
    (_TRIGGER, _of_trigger),
    (_ENABLE, _of_trigger),
    (_COLUMN, _of_alteration),
    (_STATISTICS, _of_statistics),
    (_DROP_TRIGGER, _of_alteration),
    (_LOCK, _of_lock),
    (re.compile("CREATE TABLE"), _of_table),
    (_WRITE, _of_write),
    (_LOOK, _of_look),
    (_DROP_VIEW, _of_dropped_view),
    (_REPLACED_VIEW, _of_replaced_view),
    (_DROP_INDEX, _of_dropped_index),
)


def strongest(locks: Iterable[Lock]) -> str:
    """Return the strongest mode among locks."""
    return max((lock.mode for lock in locks), key=MODES.index)
