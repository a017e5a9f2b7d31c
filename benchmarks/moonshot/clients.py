"""Readers and writers of the application: processes with rings of their own. Nothing is tried again."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from benchmarks.moonshot.application import Application, is_of, text_of
from benchmarks.moonshot.processes import Process, start

PAGE = 10
"""Rows that a reader reads at once."""
WRONG = "another value"
"""The failure of a value that opens, and is not one of its row."""
_INSERTS = 10
"""One of so many writes is a new row."""
_MESSAGE = 300
"""The length to which messages are cut."""


@dataclass
class Counts:
    """The work of clients."""

    reads: int = 0
    """Values that were decrypted."""
    writes: int = 0
    """Values that were encrypted and committed."""
    failed_reads: Counter[str] = field(default_factory=Counter)
    """Statements that failed, by exceptions with their messages, and values that were not those of their rows."""
    failed_writes: Counter[str] = field(default_factory=Counter)
    lost_writes: int = 0
    """Rows that do not have what was written to them last."""

    def add(self, document: dict[str, Any]) -> None:
        """Add the counts of a process."""
        self.reads += document["reads"]
        self.writes += document["writes"]
        self.failed_reads.update(document["failed_reads"])
        self.failed_writes.update(document["failed_writes"])
        self.lost_writes += document["lost_writes"]


@dataclass(frozen=True)
class Load:
    """How many clients there are, and how fast they work."""

    readers: int = 2
    writers: int = 1
    pause: float = 0.005
    """Seconds between two statements of a client."""
    seed: int = 1


@contextmanager
def clients(application: Application, load: Load) -> Iterator[Counts]:
    """Have clients read and write inside the block; their counts are there when it ends."""
    counts, processes = Counts(), list[Process]()
    try:
        for number in range(load.readers):
            processes.append(start(partial(_read, application, load, number)))
        for number in range(load.writers):
            processes.append(start(partial(_write, application, load, number)))
        yield counts
    finally:
        for process in processes:
            counts.add(process.end())


def _read(application: Application, load: Load, number: int, stopped: Callable[[], bool]) -> dict[str, Any]:
    chosen, counts = random.Random(load.seed * 1000 + number), Counts()
    with application.opened() as (engine, _, table):
        query = sa.select(table.c.id, table.c.iban).where(table.c.id.between(sa.bindparam("a"), sa.bindparam("b")))
        while not stopped():
            first = chosen.randint(1, application.rows)
            try:
                with engine.connect() as connection:
                    found = connection.execute(query, {"a": first, "b": first + PAGE - 1}).all()
                counts.reads += len(found)
                counts.failed_reads[WRONG] += sum(not is_of(text, row) for row, text in found)
            except Exception as error:  # noqa: BLE001  (each is counted)
                counts.failed_reads[_shown(error)] += 1
            time.sleep(load.pause)
    return _document(counts)


def _write(application: Application, load: Load, number: int, stopped: Callable[[], bool]) -> dict[str, Any]:
    """Write to rows that no other writer changes, and look at the end whether they have it."""
    chosen, counts = random.Random(load.seed * 1000 - number - 1), Counts()
    written: dict[int, str] = {}
    own = range(1 + number, application.rows + 1, load.writers)
    with application.opened() as (engine, _, table):
        update = table.update().where(table.c.id == sa.bindparam("row"))
        fresh = application.rows + 1 + number
        while not stopped():
            is_new = not chosen.randrange(_INSERTS)
            row = fresh if is_new else chosen.choice(own)
            text = text_of(row, counts.writes + 1)
            try:
                with engine.begin() as connection:
                    if is_new:
                        connection.execute(table.insert().values(id=row, iban=text))
                    else:
                        connection.execute(update, {"row": row, "iban": text})
                counts.writes += 1
                written[row] = text
                fresh += load.writers * is_new
            except Exception as error:  # noqa: BLE001  (each is counted)
                counts.failed_writes[_shown(error)] += 1
            time.sleep(load.pause)
        for row, text in written.items():
            try:
                with engine.connect() as connection:
                    found = connection.execute(sa.select(table.c.iban).where(table.c.id == row)).scalar_one_or_none()
                counts.lost_writes += found != text
            except Exception as error:  # noqa: BLE001
                counts.failed_reads[_shown(error)] += 1
    return _document(counts)


def _shown(error: Exception) -> str:
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    return f"{type(error).__name__}: {error}{cause}"[:_MESSAGE]


def _document(counts: Counts) -> dict[str, Any]:
    return {**vars(counts), "failed_reads": +counts.failed_reads, "failed_writes": +counts.failed_writes}
