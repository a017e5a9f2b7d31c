"""The session of a probe: savepoints in a transaction that is rolled back, and refusals."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kms_schema.validator.probe.attempt import Engine, Statement


@dataclass(frozen=True)
class Refusal:
    """A statement that failed."""

    message: str
    """The first line of the message of the server or library."""
    says: str
    """The part that names the rule: see `protections.Protection.says`."""
    sqlstate: str | None
    by_rule: bool
    """True if a rule refused it; the other causes are a missing privilege, a lock, or a missing object."""

    def is_of(self, says: str, sqlstate: str | None) -> bool:
        """Return whether it is exactly the expected refusal."""
        if self.sqlstate is None:
            return self.says == says or (says.endswith(": ") and self.says.startswith(says))
        return self.says == says and self.sqlstate == sqlstate


@dataclass(frozen=True)
class Circumstance:
    """Settings of a client, under which every rule must be enforced."""

    name: str
    foreign_keys: bool = True
    """True if foreign keys are enforced; otherwise only triggers are."""
    triggers_only: bool = False
    """True if only attempts that triggers refuse are made; another circumstance has the rest."""


class Session(Protocol):
    """One transaction, which is never committed."""

    engine: Engine
    version: int
    """The major version of the server; 0 on SQLite."""
    is_owner: bool
    """True if the session may act as the tables' owner."""
    circumstance: Circumstance

    def circumstances(self) -> Generator[Circumstance, None, None]:
        """Yield each circumstance, set. Raises `UnreadableError` if the session may not write."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Open a savepoint that is rolled back whatever happens."""
        ...

    def run(self, statement: Statement) -> Refusal | None:
        """Run a statement; return why it failed, if it did. Raises the driver's error if the connection is lost."""
        ...

    def answer(self, question: Statement) -> Sequence[Any]:
        """Return the one row of a question."""
        ...

    def ignore_checks(self) -> None:
        """Ignore CHECK constraints until the savepoint ends, where a client can."""
        ...
