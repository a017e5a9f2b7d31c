"""Databases for measurements: always new ones, which are dropped afterwards.

Expensive steps run once: first the keys, at 004. Copies of that database get the entries, and a copy of each is
upgraded to head and sealed. Measurements that only read use those databases; others use copies.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import Any

from benchmarks.data.loading import analyze, load_events, load_keys
from benchmarks.data.size import Ages, Size
from benchmarks.scales import Scale
from kms_schema.audit import open_trail, seal
from kms_schema.cli.progress import clear, show_count
from kms_schema.rotations import open_queue
from support.engines import Database, Engine
from support.statements import execute

AT_004 = "004"
HEAD = "head"


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    scale: Scale
    repetitions: int
    seed: int = 1
    foreign_tables: int = 0


class Places:
    """The databases of one run, on one server."""

    def __init__(self, engine: Engine, options: Options, report: Callable[[str], None] = lambda _: None) -> None:
        """Create nothing yet; `report` receives the names of slow steps."""
        self.options = options
        self.made: list[Database] = []
        """The databases that exist."""
        self.count = 0
        """The number of databases created so far."""
        self._engine = engine
        self._report = report
        self._ages = Ages.from_now()
        self._prepared: dict[tuple[Size, str], Database] = {}

    @property
    def scale(self) -> Scale:
        """The scale of the measurements."""
        return self.options.scale

    @property
    def is_sqlite(self) -> bool:
        """True if SQLite is measured."""
        return self._engine.name.startswith("sqlite")

    def prepared(self, size: Size, revision: str = HEAD) -> Database:
        """Return the shared database of a size, which is only read; connections to it are closed."""
        if (size, revision) not in self._prepared:
            self._prepared[size, revision] = self._prepare(size, revision)
        return self._prepared[size, revision]

    @contextmanager
    def copies(self, sizes: Sequence[Size], revision: str = HEAD) -> Iterator[list[Database]]:
        """Create copies of prepared databases, for writing."""
        copies: list[Database] = []
        try:
            for size in sizes:
                copies.append(self._create(self.prepared(size, revision)))
            yield copies
        finally:
            for copy in copies:
                self._drop(copy)

    @contextmanager
    def empty(self) -> Iterator[Database]:
        """Create an empty database at head."""
        database = self._create()
        try:
            _upgrade(database, HEAD)
            yield database
        finally:
            self._drop(database)

    def described(self, describe: Callable[[Database], dict[str, Any]]) -> dict[str, Any]:
        """Return the description of the server, from a database that is dropped again."""
        database = self._create()
        try:
            return describe(database)
        finally:
            self._drop(database)

    def close(self) -> None:
        """Drop all databases."""
        for database in [*self.made]:
            self._drop(database)
        self._prepared.clear()

    def _prepare(self, size: Size, revision: str) -> Database:
        if revision == HEAD:
            database = self._create(self.prepared(size, AT_004))
            self._report(
                f"upgrading and sealing {_size_text(size)}" if size.events else f"upgrading {_size_text(size)}"
            )
            _upgrade(database, HEAD)
            with closing(database.connect()) as connection:
                while open_queue(connection).backfill():
                    pass  # as `kms-schema rotations backfill` does after an upgrade
                for made in seal(open_trail(connection)):
                    show_count("sealing", made.tree_size, size.events + 1)  # the first entry is of the schema itself
                clear()
                if not self.is_sqlite:
                    execute(connection, "SELECT refresh_key_views()")
                analyze(connection)
            return database
        database = self._create(self.prepared(size.without_events, AT_004) if size.events else None)
        self._report(f"loading {_size_text(size)}")
        if not size.events:
            _upgrade(database, AT_004)
        load = load_events if size.events else load_keys
        with closing(database.connect()) as connection:
            load(connection, size, self.options.seed, self._ages)
            analyze(connection)
        return database

    def _create(self, template: Database | None = None) -> Database:
        database = self._engine.create(template)
        self.made.append(database)
        self.count += 1
        return database

    def _drop(self, database: Database) -> None:
        self._engine.drop(database)
        self.made.remove(database)


def _size_text(size: Size) -> str:
    return f"{size.keys} keys and {size.events} audit entries" if size.events else f"{size.keys} keys"


def _upgrade(database: Database, revision: str) -> None:
    with redirect_stderr(StringIO()):  # what a migration says of its progress
        database.alembic("upgrade", revision)


@contextmanager
def new_database(engine: Engine) -> Iterator[Database]:
    """Create an empty database at head, outside of a run."""
    with closing(Places(engine, Options(scale=_NOTHING, repetitions=1))) as places, places.empty() as database:
        yield database


_NOTHING = Scale("nothing", (), 0, 0, 0, 0, 0)
