"""What a probe needs of a database: savepoints in a transaction that is rolled back, and refusals told apart."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kms_schema.validator.probe.attempt import Engine, Statement


class NotProbedError(Exception):
    """No transaction that may write could be had; the message says why."""


@dataclass(frozen=True)
class Refusal:
    """A statement that failed."""

    message: str
    """The first line of what the server or library said."""
    says: str
    """What names the rule: see `guards.Guard.says`."""
    sqlstate: str | None
    by_rule: bool
    """Whether a rule refused it; otherwise it was a missing right, a lock, or something that is not there."""

    def is_of(self, says: str, sqlstate: str | None) -> bool:
        """Whether it is exactly the refusal that is promised."""
        if self.sqlstate is None:
            return self.says == says or (says.endswith(": ") and self.says.startswith(says))
        return self.says == says and self.sqlstate == sqlstate


@dataclass(frozen=True)
class Circumstance:
    """What a client may have set, under which every rule has to hold all the same."""

    name: str
    foreign_keys: bool = True
    """Whether foreign keys are kept; otherwise triggers alone have to hold."""
    triggers_only: bool = False
    """Whether only what triggers refuse is tried: the rest was tried under another circumstance."""


class Session(Protocol):
    """One transaction, which is never committed."""

    engine: Engine
    version: int
    """The major version of the server; of SQLite it does not matter."""
    is_owner: bool
    """Whether the session may act as the tables' owner."""
    circumstance: Circumstance

    def circumstances(self) -> Iterator[Circumstance]:
        """Yield each circumstance, set. Raises `NotProbedError` where the session may not write."""
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
