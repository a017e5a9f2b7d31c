"""The engines of one test session: opened when first asked for, closed at the end."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol

from kms_schema.snapshots import chain
from support.engines.database import Database
from support.engines.postgresql import PostgresqlEngine
from support.engines.sqlite import SqliteEngine
from support.engines.unavailable import EngineUnavailableError

DEFAULT_ENGINES = "sqlite,postgresql-18"
ALL_ENGINES = "sqlite,postgresql-13,postgresql-15,postgresql-18"
"""The oldest, the newest, and the one that Debian 12 has; what is between is asked for by name."""
TEMPLATE = "template"
"""The purpose of the database that is migrated by one upgrade; the others at head are copies of it."""
TEMPLATE_SECONDS = 900

NAME = re.compile(r"sqlite(-\d+\.\d+\.\d+)?|postgresql-\d+")


@cache
def parse_names(option: str) -> tuple[str, ...]:
    """Return the engines that `--engines` names; raises `ValueError` for a name that is none."""
    listed = re.sub(r"\ball\b", ALL_ENGINES, option)
    names = tuple(dict.fromkeys(name.strip() for name in listed.split(",")))
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no engine: give `all`, or names such as {DEFAULT_ENGINES},sqlite-3.35.2")
    return names


class Engine(Protocol):
    """The common interface of the two kinds of engines."""

    name: str

    def create(self, template: Database | None = None) -> Database:
        """Make a database."""

    def drop(self, database: Database) -> None:
        """Remove a database."""

    def roles_left(self) -> list[str]:
        """Return the group roles that a test has made and not dropped."""

    def close(self) -> None:
        """Release what the engine holds."""


class Engines:
    """Opens each engine once, and migrates the shared databases of the session once.

    An engine that failed is not opened again: every test that needs it fails with the first message.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._opened: dict[str, Engine] = {}
        self._migrated: dict[tuple[str, str], Database] = {}
        self._made_at: dict[str, float] = {}
        self._failed: dict[str | tuple[str, str], str] = {}

    def __getitem__(self, name: str) -> Engine:
        """Return the engine called `name`; raises `EngineUnavailableError`."""
        if name not in self._opened:
            kind = SqliteEngine if name.startswith("sqlite") else PostgresqlEngine
            with self._once(name):
                self._opened[name] = kind(name)
        return self._opened[name]

    def migrated(self, name: str, purpose: str) -> Database:
        """Return the one database, migrated to head, that the session keeps for `purpose` on an engine.

        The template is made again after a quarter of an hour: a copy shall be as a new database, whose first entry is
        not yet late to be sealed.
        """
        if purpose == TEMPLATE:
            key = (name, TEMPLATE)
            if key in self._migrated and time.monotonic() - self._made_at[name] > TEMPLATE_SECONDS:
                self[name].drop(self._migrated.pop(key))
            if key not in self._migrated:
                self._made_at[name] = time.monotonic()
            return self._kept(name, TEMPLATE, None, "head")
        return self._kept(name, purpose, self.migrated(name, TEMPLATE))

    def at(self, name: str, revision: str) -> Database:
        """Return the one database that the session keeps at a revision on an engine: a template, to be copied."""
        full = next(each for each in chain() if each.startswith(revision))
        below = chain()[: chain().index(full)]
        return self._kept(name, f"at {full}", self.at(name, below[-1]) if below else None, full)

    def _kept(self, name: str, purpose: str, copied: Database | None, revision: str | None = None) -> Database:
        """Return a database that is kept; if there is none yet, copy one, and migrate the copy to `revision`."""
        key = (name, purpose)
        if key not in self._migrated:
            engine = self[name]
            with self._once(key):
                database = engine.create(copied)
                if revision is not None:
                    database.alembic("upgrade", revision)
                self._migrated[key] = database
        return self._migrated[key]

    @contextmanager
    def _once(self, key: str | tuple[str, str]) -> Iterator[None]:
        if key in self._failed:
            raise EngineUnavailableError(self._failed[key])
        try:
            yield
        except Exception as error:
            self._failed[key] = str(error)
            raise

    def close(self) -> None:
        """Remove what the session kept, and close all engines."""
        for (name, _), database in self._migrated.items():
            self[name].drop(database)
        left = [role for engine in self._opened.values() for role in engine.roles_left()]
        for engine in self._opened.values():
            engine.close()
        assert not left, f"a test left roles to all others of its server: {left}"
